with reviews as (

    select * from {{ ref('stg_review_texts') }}

),

aspects as (

    select
        aspects.item_id,
        aspects.review_id,
        aspects.aspect,
        aspects.sentiment,
        aspects.sentence
    from {{ source('scores', 'review_aspects') }} as aspects
    inner join reviews on aspects.landing_date = reviews.landing_date and aspects.review_id = reviews.review_id

),

summaries as (

    select * from {{ source('scores', 'item_summaries') }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

),

overall as (

    select
        item_id,
        'overall' as aspect,
        cast(count(*) as bigint) as reviews,
        cast(sum(positives) as bigint) as positive_reviews,
        cast(sum(negatives) as bigint) as negative_reviews,
        cast(null as text) as praise,
        cast(null as text) as complaint
    from reviews
    group by item_id

),

-- One sentence for and one against: of the review that is clearest, ties by its id.
ranked as (

    select
        *,
        row_number() over (partition by item_id, aspect order by sentiment desc, review_id asc) as from_best,
        row_number() over (partition by item_id, aspect order by sentiment asc, review_id asc) as from_worst
    from aspects

),

by_aspect as (

    select
        item_id,
        aspect,
        cast(count(*) as bigint) as reviews,
        cast(sum(case when sentiment > 0 then 1 else 0 end) as bigint) as positive_reviews,
        cast(sum(case when sentiment < 0 then 1 else 0 end) as bigint) as negative_reviews,
        max(case when from_best = 1 and sentiment > 0 then sentence end) as praise,
        max(case when from_worst = 1 and sentiment < 0 then sentence end) as complaint
    from ranked
    group by item_id, aspect

),

insights as (

    select * from overall
    union all
    select * from by_aspect

)

select
    as_of.as_of,
    insights.item_id,
    coalesce(products.title, insights.item_id) as title,
    insights.aspect,
    insights.reviews,
    insights.positive_reviews,
    insights.negative_reviews,
    {{ ratio('insights.positive_reviews', 'insights.positive_reviews + insights.negative_reviews') }} as positive_share,
    insights.praise,
    insights.complaint,
    case when insights.aspect = 'overall' then summaries.summary end as review_summary,
    case when insights.aspect = 'overall' then summaries.key_phrases end as key_phrases,
    summaries.model_name,
    summaries.model_version,
    summaries.run_id,
    summaries.scored_at
from insights
cross join {{ ref('stg_as_of') }} as as_of
left join summaries on insights.item_id = summaries.item_id
left join products on insights.item_id = products.item_id
