-- The day fact against the events it was built from, for the days this night touched.
with pending as (

    select event_date from {{ source('ops', 'pending_days') }}

),

event_money as (

    select
        pending.event_date,
        sum(events.revenue) as revenue
    from pending
    inner join {{ ref('stg_events') }} as events on pending.event_date = events.event_date
    group by pending.event_date

),

fact_money as (

    select
        pending.event_date,
        sum(facts.revenue) as revenue
    from pending
    inner join {{ ref('int_shop_day') }} as facts on pending.event_date = facts.event_date
    group by pending.event_date

)

select
    pending.event_date,
    event_money.revenue as revenue_of_events,
    fact_money.revenue as revenue_of_fact
from pending
left join event_money on pending.event_date = event_money.event_date
left join fact_money on pending.event_date = fact_money.event_date
where event_money.revenue is distinct from fact_money.revenue
