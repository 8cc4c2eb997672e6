with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

orders as (

    {{ first_deliveries('order_id', by=['item_id']) }}

),

days as (

    select
        event_date,
        landing_date,
        item_id,
        cast(sum(impressions) as bigint) as impressions,
        cast(sum(views) as bigint) as views,
        cast(sum(cart_adds) as bigint) as cart_adds,
        cast(sum(purchased_units) as bigint) as purchased_units,
        cast(sum(returned_units) as bigint) as returned_units,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount,
        cast(sum(return_amount) as decimal(18, 2)) as return_amount
    from events
    where item_id is not null
    group by event_date, landing_date, item_id

)

select
    days.event_date,
    days.landing_date,
    days.item_id,
    days.impressions,
    days.views,
    days.cart_adds,
    coalesce(orders.total, 0) as orders,
    days.purchased_units,
    days.returned_units,
    days.purchase_amount,
    days.return_amount
from days
left join orders
    on
        days.event_date = orders.event_date
        and days.landing_date = orders.landing_date
        and days.item_id = orders.item_id
