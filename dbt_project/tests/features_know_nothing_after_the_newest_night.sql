with as_of as (

    select * from {{ ref('stg_as_of') }}

),

dated as (

    select last_sold_on as known_date from {{ ref('item_features') }}
    union all
    select last_active_on as known_date from {{ ref('user_category_affinity') }}
    union all
    select valid_from as known_date from {{ ref('product_history') }}

)

select dated.known_date
from dated
inner join as_of on dated.known_date > as_of.as_of
