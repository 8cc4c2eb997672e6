with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

days as (

    select
        event_date,
        landing_date,
        session_id,
        cast(sum(views) as bigint) as views,
        cast(sum(cart_adds) as bigint) as cart_adds,
        cast(sum(purchased_lines) as bigint) as purchased_lines
    from events
    where session_id is not null
    group by event_date, landing_date, session_id

)

select * from days
