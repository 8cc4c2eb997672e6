-- The newest night comes by environment variable where a night is built: another value of a command line variable
-- makes dbt parse the whole project again, another value of an environment variable only this file.
{% set given = var('as_of', env_var('NIGHTMARKET_AS_OF', '')) %}
{% set bi_history_days = var('bi_history_days', env_var('NIGHTMARKET_BI_HISTORY_DAYS', '90')) %}

with nights as (

    select max(night) as newest from {{ source('ops', 'nights') }}

),

events as (

    select max(landing_date) as newest from {{ source('raw', 'events') }}

),

chosen as (

    select
        {% if given %}
        cast('{{ given }}' as date) as as_of
        {% else %}
        coalesce(nights.newest, events.newest) as as_of
        {% endif %}
    from nights
    cross join events

)

select
    as_of,
    as_of - {{ bi_history_days | int }} + 1 as history_from
from chosen
