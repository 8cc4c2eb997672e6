{#- The newest night comes by environment variable where a night is built. Reading it only while executing keeps it out
    of what dbt remembers of a parse: otherwise every night would parse again what looks back. -#}
{% set given = var('as_of', env_var('NIGHTMARKET_AS_OF', '') if execute else '') %}
{% set bi_history_days = var('bi_history_days', env_var('NIGHTMARKET_BI_HISTORY_DAYS', '90')) | int %}

with nights as (

    select max(night) as newest from {{ source('ops', 'nights') }}

),

events as (

    select max(landing_date) as newest from {{ source('raw', 'events') }}

),

chosen as (

    select {{ "cast('" ~ given ~ "' as date)" if given else 'coalesce(nights.newest, events.newest)' }} as as_of
    from nights
    cross join events

)

select
    as_of,
    as_of - {{ bi_history_days }} + 1 as history_from
from chosen
