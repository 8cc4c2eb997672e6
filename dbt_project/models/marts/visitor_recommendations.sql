with scored as (

    select scores.*
    from {{ source('scores', 'visitor_recommendations') }} as scores
    inner join {{ ref('stg_scored_nights') }} as nights on scores.scored_for = nights.scored_for

),

newest as (

    select max(scored_for) as scored_for from scored

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

)

select
    scored.scored_for,
    scored.segment,
    scored.rank,
    scored.item_id,
    coalesce(products.title, scored.item_id) as title,
    concat(cast(scored.scored_for as text), '/', cast(scored.rank as text), '/segment/', scored.segment)
        as recommendation_id,
    scored.score,
    scored.reason_type,
    scored.reason,
    scored.rule,
    scored.model_name,
    scored.model_version,
    scored.run_id,
    scored.scored_at
from scored
inner join newest on scored.scored_for = newest.scored_for
left join products on scored.item_id = products.item_id
