with products as (

    select * from {{ ref('product_history') }}
    where is_current

),

found as (

    select * from {{ source('scores', 'query_products') }}

)

select
    as_of.as_of,
    found.query,
    found.rank,
    found.item_id,
    coalesce(products.title, found.item_id) as title,
    found.score,
    found.matched,
    found.model_name,
    found.model_version,
    found.run_id,
    found.scored_at
from found
cross join {{ ref('stg_as_of') }} as as_of
left join products on found.item_id = products.item_id
