{% set measures = ['clicks', 'carts', 'purchases', 'returns', 'revenue', 'return_amount'] %}

with shown as (

    select * from {{ ref('int_shown_place') }}

),

segments as (

    select
        user_id,
        segment
    from {{ ref('customer_segments') }}

),

segmented as (

    select
        shown.*,
        case
            when shown.listed_kind = 'segment' then 'visitor' else coalesce(segments.segment, 'no recent order')
        end as segment
    from shown
    left join segments on shown.listed_owner = segments.user_id

),

everybody as (

    select
        as_of,
        scored_for,
        model_name,
        model_version,
        segment,
        position,
        is_explored,
        {{ measures | join(', ') }}
    from segmented
    union all
    select
        as_of,
        scored_for,
        model_name,
        model_version,
        'all' as segment,
        position,
        is_explored,
        {{ measures | join(', ') }}
    from segmented

),

places as (

    select
        as_of,
        scored_for,
        model_name,
        model_version,
        segment,
        position,
        count(*) as impressions,
        {% for measure in measures %}
        sum({{ measure }}) as {{ measure }},
        {% endfor %}
        sum(case when is_explored then 1 else 0 end) as explored_impressions,
        sum(case when is_explored then clicks else 0 end) as explored_clicks
    from everybody
    group by as_of, scored_for, model_name, model_version, segment, position

)

select
    as_of,
    scored_for,
    model_name,
    model_version,
    segment,
    position,
    cast(impressions as bigint) as impressions,
    cast(clicks as bigint) as clicks,
    cast(carts as bigint) as carts,
    cast(purchases as bigint) as purchases,
    cast(returns as bigint) as returns,
    cast(revenue as decimal(18, 2)) as revenue,
    cast(return_amount as decimal(18, 2)) as return_amount,
    cast(explored_impressions as bigint) as explored_impressions,
    cast(explored_clicks as bigint) as explored_clicks,
    {{ ratio('clicks', 'impressions') }} as ctr,
    {{ ratio('purchases', 'impressions') }} as conversion,
    {{ ratio('returns', 'purchases') }} as return_rate
from places
