-- Late rows are quarantined before the lake; only a warning, because a shop may have shortened late_days since.
{{ config(severity='warn') }}
{% set late_days = var('late_days', env_var('NIGHTMARKET_LATE_DAYS', '3')) | int %}

select
    events.event_date,
    events.landing_date,
    events.event_id
from {{ ref('stg_events') }} as events
inner join {{ source('ops', 'pending_days') }} as pending on events.event_date = pending.event_date
where events.landing_date - events.event_date > {{ late_days }}
