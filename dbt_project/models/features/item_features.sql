with item_days as (

    {{ known_days('int_item_day', 365) }}

),

buyers as (

    select * from {{ ref('int_item_buyers') }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

),

totals as (

    select
        item_id,
        {% for days in [1, 7, 28] %}
        {{ sum_within(days, 'orders') }} as popularity_{{ days }}d,
        {% endfor %}
        {% for measure in ['impressions', 'views', 'cart_adds', 'purchased_units', 'returned_units'] %}
        {{ sum_within(28, measure) }} as {{ measure }}_28d,
        {% endfor %}
        {{ sum_within(28, 'purchase_amount - return_amount', 'decimal(18, 2)') }} as revenue_28d,
        cast(max(case when orders > 0 then event_date end) as date) as last_sold_on,
        {{ ratio('sum(purchase_amount)', 'sum(purchased_units)') }} as average_unit_price_365d,
        {{ ratio('sum(returned_units)', 'sum(purchased_units)') }} as return_share_365d
    from item_days
    group by item_id

),

reviewed as (

    select
        item_id,
        cast(count(*) as bigint) as reviews,
        cast(sum(case when created_on > as_of - 28 then 1 else 0 end) as bigint) as reviews_28d,
        {{ ratio('sum(rating)', 'count(rating)') }} as mean_rating,
        {{ ratio(
            'sum(case when created_on > as_of - 28 then rating end)',
            'count(case when created_on > as_of - 28 then rating end)'
        ) }} as mean_rating_28d,
        sum(positives) as positives,
        sum(positives + negatives) as reviews_read
    from {{ ref('stg_review_texts') }}
    group by item_id

),

shop as (

    select {{ ratio('sum(positives)', 'sum(reviews_read)') }} as positive_share
    from reviewed

),

items as (

    select item_id from products
    union
    select item_id from totals

)

select
    as_of.as_of,
    items.item_id,
    coalesce(products.category, 'unknown') as category,
    products.price as list_price,
    {% for measure in [
        'popularity_1d', 'popularity_7d', 'popularity_28d', 'impressions_28d', 'views_28d', 'cart_adds_28d',
        'purchased_units_28d', 'returned_units_28d',
    ] %}
    coalesce(totals.{{ measure }}, 0) as {{ measure }},
    {% endfor %}
    cast(coalesce(totals.revenue_28d, 0) as decimal(18, 2)) as revenue_28d,
    -- 1 is a steady item: its last 7 days against the mean week of its last 28
    {{ ratio('4 * totals.popularity_7d', 'totals.popularity_28d') }} as trend_7d,
    totals.last_sold_on,
    totals.average_unit_price_365d,
    totals.return_share_365d,
    coalesce(buyers.buyers_365d, 0) as buyers_365d,
    buyers.repeat_rate_365d,
    coalesce(reviewed.reviews, 0) as reviews,
    coalesce(reviewed.reviews_28d, 0) as reviews_28d,
    reviewed.mean_rating,
    -- as if ten more reviews said what the shop's reviews say: one happy customer is no perfect item
    {{ ratio(
        'coalesce(reviewed.positives, 0) + 10 * shop.positive_share',
        'coalesce(reviewed.reviews_read, 0) + 10'
    ) }} as positive_share,
    reviewed.mean_rating_28d - reviewed.mean_rating as rating_trend_28d
from items
cross join {{ ref('stg_as_of') }} as as_of
cross join shop
left join products on items.item_id = products.item_id
left join totals on items.item_id = totals.item_id
left join buyers on items.item_id = buyers.item_id
left join reviewed on items.item_id = reviewed.item_id
