{# Every review as it was delivered last, as of the newest night: what was read out of it. #}
with reviews as (

    {{ newest_deliveries(source('scores', 'review_texts'), 'review_id') }}

)

select
    as_of,
    landing_date,
    review_id,
    item_id,
    cast(created_at at time zone 'UTC' as date) as created_on,
    rating,
    language,
    positive_probability,
    case when sentiment = 'positive' then 1 else 0 end as positives,
    case when sentiment = 'negative' then 1 else 0 end as negatives,
    model_name,
    model_version,
    run_id,
    scored_at
from reviews
