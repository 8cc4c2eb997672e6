with items as (

    select * from {{ ref('item_features') }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

),

ranked as (

    select
        *,
        cast(
            row_number() over (order by revenue_28d desc nulls last, item_id asc nulls last) as integer
        ) as revenue_rank
    from items

)

select
    ranked.as_of,
    ranked.item_id,
    coalesce(products.title, ranked.item_id) as title,
    ranked.category,
    ranked.revenue_rank,
    ranked.revenue_28d,
    ranked.popularity_1d as orders_1d,
    ranked.popularity_7d as orders_7d,
    ranked.popularity_28d as orders_28d,
    ranked.trend_7d,
    ranked.purchased_units_28d,
    ranked.returned_units_28d,
    ranked.views_28d,
    {{ ratio('ranked.popularity_28d', 'ranked.views_28d') }} as orders_per_view_28d,
    ranked.buyers_365d,
    ranked.repeat_rate_365d,
    ranked.return_share_365d,
    ranked.last_sold_on
from ranked
left join products on ranked.item_id = products.item_id
