{# How an interaction finds its impression, the nearest way first. #}
{% set bonds = ['recommendation_id', 'user_id', 'session_id'] %}
{% set lists = {
    'user': {'scores': 'recommendations', 'owner': 'user_id', 'explored': 'coalesce(scores.is_explored, false)'},
    'segment': {'scores': 'visitor_recommendations', 'owner': 'segment', 'explored': 'false'},
} %}

with impressions as (

    {{ known_days('int_impression_day', 28) }}

),

-- Compared as text: whatever an event carries, nothing of it is cast.
of_nights as (

    select
        impressions.*,
        nights.scored_for
    from impressions
    inner join {{ ref('stg_scored_nights') }} as nights on impressions.listed_for = cast(nights.scored_for as text)
    where nights.scored_for <= impressions.event_date and nights.scored_for > impressions.as_of - 28

),

segments as (

    select
        user_id,
        segment
    from {{ ref('customer_segments') }}

),

-- The places of lists that were shown. Where another item was shown than the list has, it was not this list.
shown as (

    {% for kind, list in lists.items() %}
    {{ 'union all' if not loop.first }}
    select
        of_nights.as_of,
        of_nights.event_date,
        of_nights.event_id,
        of_nights.occurred_at,
        of_nights.recommendation_id,
        of_nights.user_id,
        of_nights.session_id,
        of_nights.item_id,
        of_nights.scored_for,
        scores.model_name,
        scores.model_version,
        {{ "coalesce(segments.segment, 'no recent order')" if kind == 'user' else "'visitor'" }} as segment,
        coalesce(case when of_nights.position >= 1 then of_nights.position end, scores.rank) as position,
        {{ list.explored }} as is_explored
    from of_nights
    inner join {{ source('scores', list.scores) }} as scores
        on
            of_nights.scored_for = scores.scored_for
            and of_nights.listed_owner = scores.{{ list.owner }}
            and of_nights.listed_rank = cast(scores.rank as text)
            and of_nights.item_id = scores.item_id
    {% if kind == 'user' %}
    left join segments on scores.user_id = segments.user_id
    {% endif %}
    where of_nights.listed_kind = '{{ kind }}'
    {% endfor %}

),

events as (

    {{ known_days('stg_events', 28) }}

),

-- Without impressions there is no first day, and no event is read.
done as (

    select
        event_date,
        event_id,
        event_type,
        occurred_at,
        recommendation_id,
        user_id,
        session_id,
        item_id,
        purchase_amount,
        return_amount
    from events
    where
        event_type in ('view', 'add_to_cart', 'purchase', 'return')
        and item_id is not null
        and event_date >= (select min(shown.event_date) from shown)

),

-- What was done with the item in the 7 days after: it counts to the last impression by the nearest way.
candidates as (

    {% for bond in bonds %}
    {{ 'union all' if not loop.first }}
    select
        done.event_date,
        done.event_id,
        shown.event_date as shown_on,
        shown.event_id as shown_id,
        shown.occurred_at as shown_at,
        {{ loop.index }} as way
    from done
    inner join shown
        on
            done.{{ bond }} = shown.{{ bond }}
            and done.item_id = shown.item_id
            and done.occurred_at >= shown.occurred_at
            and done.occurred_at < shown.occurred_at + interval '168 hours'
    where done.event_type <> 'return'
    {% endfor %}

),

nearest as (

    select
        *,
        row_number() over (
            partition by event_date, event_id order by way asc, shown_at desc, shown_on desc, shown_id asc
        ) as nearness
    from candidates

),

followed as (

    select
        nearest.shown_on,
        nearest.shown_id,
        max(case when done.event_type = 'view' then 1 else 0 end) as clicks,
        max(case when done.event_type = 'add_to_cart' then 1 else 0 end) as carts,
        max(case when done.event_type = 'purchase' then 1 else 0 end) as purchases,
        min(case when done.event_type = 'purchase' then done.occurred_at end) as bought_at,
        sum(done.purchase_amount) as revenue
    from nearest
    inner join done on nearest.event_date = done.event_date and nearest.event_id = done.event_id
    where nearest.nearness = 1
    group by nearest.shown_on, nearest.shown_id

),

-- A return counts to the last impression that the item was bought after.
bought as (

    select
        shown.event_date,
        shown.event_id,
        shown.recommendation_id,
        shown.user_id,
        shown.session_id,
        shown.item_id,
        followed.bought_at
    from shown
    inner join followed on shown.event_date = followed.shown_on and shown.event_id = followed.shown_id
    where followed.purchases = 1

),

return_candidates as (

    {% for bond in bonds %}
    {{ 'union all' if not loop.first }}
    select
        done.event_date,
        done.event_id,
        done.return_amount,
        bought.event_date as shown_on,
        bought.event_id as shown_id,
        bought.bought_at,
        {{ loop.index }} as way
    from done
    inner join bought
        on
            done.{{ bond }} = bought.{{ bond }}
            and done.item_id = bought.item_id
            and done.occurred_at >= bought.bought_at
    where done.event_type = 'return'
    {% endfor %}

),

nearest_returns as (

    select
        *,
        row_number() over (
            partition by event_date, event_id order by way asc, bought_at desc, shown_on desc, shown_id asc
        ) as nearness
    from return_candidates

),

returned as (

    select
        shown_on,
        shown_id,
        sum(return_amount) as return_amount
    from nearest_returns
    where nearness = 1
    group by shown_on, shown_id

),

places as (

    select
        shown.as_of,
        shown.scored_for,
        shown.model_name,
        shown.model_version,
        shown.segment,
        shown.position,
        count(*) as impressions,
        sum(coalesce(followed.clicks, 0)) as clicks,
        sum(coalesce(followed.carts, 0)) as carts,
        sum(coalesce(followed.purchases, 0)) as purchases,
        sum(case when returned.shown_id is not null then 1 else 0 end) as returns,
        sum(coalesce(followed.revenue, 0)) as revenue,
        sum(coalesce(returned.return_amount, 0)) as return_amount,
        sum(case when shown.is_explored then 1 else 0 end) as explored_impressions,
        sum(case when shown.is_explored then coalesce(followed.clicks, 0) else 0 end) as explored_clicks
    from shown
    left join followed on shown.event_date = followed.shown_on and shown.event_id = followed.shown_id
    left join returned on shown.event_date = returned.shown_on and shown.event_id = returned.shown_id
    group by
        shown.as_of, shown.scored_for, shown.model_name, shown.model_version, shown.segment, shown.position

),

everybody as (

    select * from places
    union all
    select
        as_of,
        scored_for,
        model_name,
        model_version,
        'all' as segment,
        position,
        {% for measure in [
            'impressions', 'clicks', 'carts', 'purchases', 'returns', 'revenue', 'return_amount',
            'explored_impressions', 'explored_clicks',
        ] %}
        sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
        {% endfor %}
    from places
    group by as_of, scored_for, model_name, model_version, position

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
from everybody
