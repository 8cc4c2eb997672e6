with user_days as (

    {{ known_days('int_user_day', 365) }}

),

user_item_days as (

    {{ known_days('int_user_item_day', 365) }}

),

first_orders as (

    select * from {{ ref('int_user_first_order') }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

),

totals as (

    select
        as_of,
        user_id,
        cast(min(case when orders > 0 then age_days end) as integer) as recency_days,
        {% for days in [28, 90, 365] %}
        {{ sum_within(days, 'orders') }} as orders_{{ days }}d,
        {{ sum_within(days, 'revenue', 'decimal(18, 2)') }} as revenue_{{ days }}d,
        {{ sum_within(days, 'sessions') }} as sessions_{{ days }}d,
        {% endfor %}
        cast(count(distinct event_date) as bigint) as active_days_365d,
        cast(sum(purchased_lines) as bigint) as purchased_lines_365d,
        cast(sum(purchased_units) as bigint) as purchased_units_365d,
        cast(sum(returned_units) as bigint) as returned_units_365d,
        {{ ratio('sum(purchase_amount)', 'sum(purchased_units)') }} as average_unit_price_365d,
        {{ ratio('sum(promoted_lines)', 'sum(purchased_lines)') }} as discount_share_365d,
        {{ ratio('sum(returned_units)', 'sum(purchased_units)') }} as return_share_365d
    from user_days
    group by as_of, user_id

),

bought as (

    select distinct
        user_id,
        item_id
    from user_item_days
    where purchased_lines > 0

),

diversity as (

    select
        bought.user_id,
        cast(count(*) as bigint) as items_365d,
        cast(count(distinct coalesce(products.category, 'unknown')) as bigint) as categories_365d
    from bought
    left join products on bought.item_id = products.item_id
    group by bought.user_id

)

select
    totals.*,
    cast(totals.as_of - first_orders.first_order_date as integer) as first_order_days,
    coalesce(diversity.items_365d, 0) as items_365d,
    coalesce(diversity.categories_365d, 0) as categories_365d
from totals
left join diversity on totals.user_id = diversity.user_id
left join first_orders on totals.user_id = first_orders.user_id
