with events as (

    select * from {{ source('raw', 'events') }}

),

priced as (

    select
        *,
        coalesce(event_type = 'purchase', false) as is_purchase,
        coalesce(event_type = 'return', false) as is_return,
        cast(coalesce(round(quantity * unit_price, 2), 0) as decimal(18, 2)) as line_amount
    from events

),

measured as (

    select
        ---------- keys
        event_date,
        landing_date,
        event_id,
        user_id,
        session_id,
        item_id,
        -- No source has an order number: what one session buys is one order. Lines that are no product make none.
        case when is_purchase and item_id is not null then coalesce(session_id, user_id, event_id) end as order_id,

        ---------- what happened
        event_type,
        occurred_at,
        nullif(lower(trim(query)), '') as query,
        position,
        recommendation_id,

        ---------- numbers: products
        case when event_type = 'impression' then 1 else 0 end as impressions,
        case when event_type = 'view' then 1 else 0 end as views,
        case when event_type = 'add_to_cart' then 1 else 0 end as cart_adds,
        case when is_purchase and item_id is not null then 1 else 0 end as purchased_lines,
        case when is_purchase and item_id is not null and promotion_id is not null then 1 else 0 end as promoted_lines,
        case when is_purchase and item_id is not null then coalesce(quantity, 0) else 0 end as purchased_units,
        case when is_return and item_id is not null then coalesce(quantity, 0) else 0 end as returned_units,
        cast(case when is_purchase and item_id is not null then line_amount else 0 end as decimal(18, 2))
            as purchase_amount,
        cast(case when is_return and item_id is not null then line_amount else 0 end as decimal(18, 2))
            as return_amount,

        ---------- numbers: all lines, charges included
        cast(
            case when is_purchase then line_amount when is_return then -line_amount else 0 end as decimal(18, 2)
        ) as revenue
    from priced

)

select * from measured
