{# Every review as it was delivered last, as of the newest night: what was read out of it. #}
with as_of as (

    select * from {{ ref('stg_as_of') }}

),

reviews as (

    select * from {{ source('scores', 'review_texts') }}

),

known as (

    select
        reviews.*,
        as_of.as_of,
        row_number() over (partition by reviews.review_id order by reviews.landing_date desc) as newness
    from reviews
    inner join as_of on reviews.landing_date <= as_of.as_of

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
from known
where newness = 1
