with found as (

    select * from {{ source('scores', 'lookalike_products') }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

)

select
    as_of.as_of,
    found.item_id,
    coalesce(products.title, found.item_id) as title,
    found.rank,
    found.lookalike_item_id,
    coalesce(alike.title, found.lookalike_item_id) as lookalike_title,
    found.similarity,
    found.model_name,
    found.model_version,
    found.run_id,
    found.scored_at
from found
cross join {{ ref('stg_as_of') }} as as_of
left join products on found.item_id = products.item_id
left join products as alike on found.lookalike_item_id = alike.item_id
