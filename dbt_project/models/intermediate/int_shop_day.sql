with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

sessions as (

    {{ first_deliveries('session_id') }}

),

-- An order is anonymous when the delivery that first brought it names no user.
order_deliveries as (

    select
        event_date,
        order_id,
        min(landing_date) as landing_date,
        min(case when user_id is not null then landing_date end) as named_on
    from events
    where order_id is not null
    group by event_date, order_id

),

orders as (

    select
        event_date,
        landing_date,
        cast(count(*) as bigint) as total,
        cast(sum(case when named_on = landing_date then 0 else 1 end) as bigint) as anonymous
    from order_deliveries
    group by event_date, landing_date

),

days as (

    select
        event_date,
        landing_date,
        cast(count(*) as bigint) as events,
        cast(sum(purchased_units) as bigint) as purchased_units,
        cast(sum(returned_units) as bigint) as returned_units,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount,
        cast(sum(return_amount) as decimal(18, 2)) as return_amount,
        cast(sum(revenue) as decimal(18, 2)) as revenue
    from events
    group by event_date, landing_date

)

select
    days.event_date,
    days.landing_date,
    days.events,
    coalesce(sessions.total, 0) as sessions,
    coalesce(orders.total, 0) as orders,
    coalesce(orders.anonymous, 0) as anonymous_orders,
    days.purchased_units,
    days.returned_units,
    days.purchase_amount,
    days.return_amount,
    days.revenue
from days
left join sessions on days.event_date = sessions.event_date and days.landing_date = sessions.landing_date
left join orders on days.event_date = orders.event_date and days.landing_date = orders.landing_date
