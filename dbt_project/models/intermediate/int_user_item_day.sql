with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

days as (

    select
        event_date,
        landing_date,
        user_id,
        item_id,
        cast(sum(views) as bigint) as views,
        cast(sum(cart_adds) as bigint) as cart_adds,
        cast(sum(purchased_lines) as bigint) as purchased_lines,
        cast(sum(purchased_units) as bigint) as purchased_units,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount
    from events
    where user_id is not null and item_id is not null
    group by event_date, landing_date, user_id, item_id

)

select * from days
