-- Late rows are quarantined before the lake; only a warning, because a shop may have shortened late_days since.
{{ config(severity='warn') }}
{% set late_days = var('late_days', env_var('NIGHTMARKET_LATE_DAYS', '3')) | int %}

select
    event_date,
    landing_date,
    event_id
from {{ ref('stg_events') }}
where
    event_date in (select event_date from {{ source('ops', 'pending_days') }})
    and landing_date - event_date > {{ late_days }}
