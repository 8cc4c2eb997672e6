with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

days as (

    select
        event_date,
        landing_date,
        session_id,
        query,
        cast(sum(case when event_type = 'search' then 1 else 0 end) as bigint) as searches,
        cast(sum(impressions) as bigint) as impressions,
        cast(sum(views) as bigint) as views,
        cast(sum(cart_adds) as bigint) as cart_adds,
        cast(sum(purchased_lines) as bigint) as purchased_lines,
        min(case when views = 1 then position end) as first_viewed_position
    from events
    where session_id is not null and query is not null
    group by event_date, landing_date, session_id, query

)

select * from days
