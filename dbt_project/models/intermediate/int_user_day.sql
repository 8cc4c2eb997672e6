with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

sessions as (

    {{ first_deliveries('session_id', by=['user_id']) }}

),

orders as (

    {{ first_deliveries('order_id', by=['user_id']) }}

),

days as (

    select
        event_date,
        landing_date,
        user_id,
        cast(sum(purchased_lines) as bigint) as purchased_lines,
        cast(sum(promoted_lines) as bigint) as promoted_lines,
        cast(sum(purchased_units) as bigint) as purchased_units,
        cast(sum(returned_units) as bigint) as returned_units,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount,
        cast(sum(revenue) as decimal(18, 2)) as revenue
    from events
    where user_id is not null
    group by event_date, landing_date, user_id

)

select
    days.event_date,
    days.landing_date,
    days.user_id,
    coalesce(sessions.total, 0) as sessions,
    coalesce(orders.total, 0) as orders,
    days.purchased_lines,
    days.promoted_lines,
    days.purchased_units,
    days.returned_units,
    days.purchase_amount,
    days.revenue
from days
left join sessions
    on
        days.event_date = sessions.event_date
        and days.landing_date = sessions.landing_date
        and days.user_id = sessions.user_id
left join orders
    on
        days.event_date = orders.event_date
        and days.landing_date = orders.landing_date
        and days.user_id = orders.user_id
