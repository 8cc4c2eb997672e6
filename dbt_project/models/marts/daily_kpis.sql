with shop_days as (

    {{ known_days('int_shop_day') }}

),

user_days as (

    {{ known_days('int_user_day') }}

),

first_orders as (

    select * from {{ ref('int_user_first_order') }}

),

totals as (

    select
        as_of,
        event_date,
        cast(sum(revenue) as decimal(18, 2)) as revenue,
        cast(sum(orders) as bigint) as orders,
        cast(sum(purchased_units) as bigint) as units,
        cast(sum(returned_units) as bigint) as returned_units,
        cast(sum(return_amount) as decimal(18, 2)) as return_amount,
        cast(sum(sessions) as bigint) as sessions,
        cast(sum(events) as bigint) as events,
        {{ ratio('sum(purchase_amount)', 'sum(orders)') }} as average_order_value,
        {{ ratio('sum(anonymous_orders)', 'sum(orders)') }} as anonymous_order_share
    from shop_days
    group by as_of, event_date

),

customers as (

    select
        user_days.event_date,
        cast(count(distinct user_days.user_id) as bigint) as customers,
        cast(
            count(distinct case when first_orders.first_order_date = user_days.event_date then user_days.user_id end)
            as bigint
        ) as new_customers
    from user_days
    inner join first_orders on user_days.user_id = first_orders.user_id
    where user_days.orders > 0
    group by user_days.event_date

)

select
    totals.as_of,
    totals.event_date,
    totals.revenue,
    totals.orders,
    coalesce(customers.customers, 0) as customers,
    coalesce(customers.new_customers, 0) as new_customers,
    totals.units,
    totals.returned_units,
    totals.return_amount,
    totals.average_order_value,
    totals.anonymous_order_share,
    totals.sessions,
    totals.events
from totals
left join customers on totals.event_date = customers.event_date
