with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

days as (

    select
        event_date,
        landing_date,
        session_id,
        item_id
    from events
    where session_id is not null and purchased_lines > 0
    group by event_date, landing_date, session_id, item_id

)

select * from days
