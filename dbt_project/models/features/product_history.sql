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
        {% for attribute in attributes %}
        lag({{ attribute }}) over by_delivery as previous_{{ attribute }},
        {% endfor %}
        row_number() over by_delivery as delivery_number
    from deliveries
    window by_delivery as (partition by item_id order by landing_date asc nulls first)

),

changes as (

    select
        *,
        lead(landing_date) over (partition by item_id order by landing_date asc nulls first) as valid_to
    from compared
    where
        delivery_number = 1
        {% for attribute in attributes %}
        or {{ attribute }} is distinct from previous_{{ attribute }}
        {% endfor %}

)

select
    as_of,
    item_id,
    {% for attribute in attributes %}
    {{ attribute }},
    {% endfor %}
    landing_date as valid_from,
    valid_to,
    valid_to is null as is_current
from changes
