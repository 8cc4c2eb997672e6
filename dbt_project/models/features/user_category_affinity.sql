with user_item_days as (

    {{ known_days('int_user_item_day', 365) }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

),

item_categories as (

    select
        user_item_days.*,
        coalesce(products.category, 'unknown') as category
    from user_item_days
    left join products on user_item_days.item_id = products.item_id

),

categories as (

    select
        as_of,
        user_id,
        category,
        cast(sum(views) as bigint) as views_365d,
        cast(sum(cart_adds) as bigint) as cart_adds_365d,
        cast(sum(purchased_lines) as bigint) as purchased_lines_365d,
        cast(sum(purchased_units) as bigint) as purchased_units_365d,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount_365d,
        max(event_date) as last_active_on
    from item_categories
    group by as_of, user_id, category

),

users as (

    select
        user_id,
        sum(purchased_lines_365d) as purchased_lines_365d
    from categories
    group by user_id

)

select
    categories.*,
    {{ ratio('categories.purchased_lines_365d', 'users.purchased_lines_365d') }} as purchase_share_365d
from categories
inner join users on categories.user_id = users.user_id
