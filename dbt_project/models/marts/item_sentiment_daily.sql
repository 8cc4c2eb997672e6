with reviews as (

    select * from {{ ref('stg_review_texts') }}

),

as_of as (

    select * from {{ ref('stg_as_of') }}

)

select
    reviews.as_of,
    reviews.item_id,
    reviews.created_on,
    cast(count(*) as bigint) as reviews,
    cast(count(reviews.positive_probability) as bigint) as reviews_read,
    cast(sum(reviews.positives) as bigint) as positive_reviews,
    cast(sum(reviews.negatives) as bigint) as negative_reviews,
    {{ ratio('sum(cast(reviews.positive_probability as decimal(18, 6)))', 'count(reviews.positive_probability)') }}
        as mean_positive_probability,
    {{ ratio('sum(reviews.rating)', 'count(reviews.rating)') }} as mean_rating
from reviews
inner join as_of on reviews.created_on between as_of.history_from and as_of.as_of
group by reviews.as_of, reviews.item_id, reviews.created_on
