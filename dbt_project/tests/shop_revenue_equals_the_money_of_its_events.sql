-- The day fact against the events it was built from, for the days this night touched.
with pending as (

    select event_date from {{ source('ops', 'pending_days') }}

),

events as (

    select
        event_date,
        sum(revenue) as revenue
    from {{ ref('stg_events') }}
    where event_date in (select event_date from pending)
    group by event_date

),

days as (

    select
        event_date,
        sum(revenue) as revenue
    from {{ ref('int_shop_day') }}
    where event_date in (select event_date from pending)
    group by event_date

)

select
    coalesce(events.event_date, days.event_date) as event_date,
    events.revenue as revenue_of_events,
    days.revenue as revenue_of_day
from events
full outer join days on events.event_date = days.event_date
where events.revenue is distinct from days.revenue
