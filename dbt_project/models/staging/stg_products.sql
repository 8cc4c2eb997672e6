with products as (

    select * from {{ source('raw', 'products') }}

),

categorised as (

    select
        landing_date,
        item_id,
        title,
        description,
        brand,
        category_path,
        coalesce(nullif(trim(split_part(category_path, ' > ', 1)), ''), 'unknown') as category,
        price,
        image_uri,
        available_from,
        available_to,
        attributes
    from products

)

select * from categorised
