{# Every judged pair as it was delivered last, as of the newest night; a query in small letters. #}
with pairs as (

    select
        as_of.as_of,
        judged.landing_date,
        lower(trim(judged.query)) as query,
        judged.item_id,
        judged.grade,
        row_number() over (
            partition by lower(trim(judged.query)), judged.item_id
            order by judged.landing_date desc, judged.query asc
        ) as newness
    from {{ source('raw', 'queries') }} as judged
    inner join {{ ref('stg_as_of') }} as as_of on judged.landing_date <= as_of.as_of

)

select
    as_of,
    landing_date,
    query,
    item_id,
    grade
from pairs
where newness = 1
