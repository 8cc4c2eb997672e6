{% set attributes = [
    'title', 'description', 'brand', 'category_path', 'category', 'price', 'image_uri', 'available_from',
    'available_to', 'attributes',
] %}

with as_of as (

    select * from {{ ref('stg_as_of') }}

),

products as (

    select * from {{ ref('stg_products') }}

),

deliveries as (

    select
        products.*,
        as_of.as_of
    from products
    inner join as_of on products.landing_date <= as_of.as_of

),

compared as (

    select
        *,
        row_number() over by_delivery = 1
        {% for attribute in attributes %}
        or {{ attribute }} is distinct from lag({{ attribute }}) over by_delivery
        {% endfor %}
        as is_change
    from deliveries
    window by_delivery as (partition by item_id order by landing_date asc nulls first)

),

changes as (

    select
        *,
        lead(landing_date) over (partition by item_id order by landing_date asc nulls first) as valid_to
    from compared
    where is_change

)

select
    as_of,
    item_id,
    landing_date as valid_from,
    valid_to,
    valid_to is null as is_current,
    {% for attribute in attributes %}
    {{ attribute }}{{ ',' if not loop.last }}
    {% endfor %}
from changes
