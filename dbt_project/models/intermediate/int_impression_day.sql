with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

-- A recommendation_id says which place of which list was shown: night, rank, `user` or `segment`, and whose list.
named as (

    select
        event_date,
        landing_date,
        event_id,
        occurred_at,
        user_id,
        session_id,
        item_id,
        position,
        recommendation_id,
        split_part(recommendation_id, '/', 1) as listed_for,
        split_part(recommendation_id, '/', 2) as listed_rank,
        split_part(recommendation_id, '/', 3) as listed_kind
    from events
    where impressions = 1 and item_id is not null and recommendation_id is not null

)

select
    event_date,
    landing_date,
    event_id,
    occurred_at,
    user_id,
    session_id,
    item_id,
    position,
    recommendation_id,
    listed_for,
    listed_rank,
    listed_kind,
    substr(recommendation_id, length(listed_for) + length(listed_rank) + length(listed_kind) + 4) as listed_owner
from named
where listed_kind in ('user', 'segment')
