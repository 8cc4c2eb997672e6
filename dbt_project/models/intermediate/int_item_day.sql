with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

days as (

    select
        event_date,
        landing_date,
        item_id,
        cast(sum(impressions) as bigint) as impressions,
        cast(sum(views) as bigint) as views,
        cast(sum(cart_adds) as bigint) as cart_adds,
        cast(count(distinct order_id) as bigint) as orders,
        cast(sum(purchased_lines) as bigint) as purchased_lines,
        cast(sum(promoted_lines) as bigint) as promoted_lines,
        cast(sum(purchased_units) as bigint) as purchased_units,
        cast(sum(returned_units) as bigint) as returned_units,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount,
        cast(sum(return_amount) as decimal(18, 2)) as return_amount
    from events
    where item_id is not null
    group by event_date, landing_date, item_id

)

select * from days
