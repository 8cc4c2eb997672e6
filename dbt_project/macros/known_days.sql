{# The night that is built, as a date; nothing where none is given. It comes by environment variable, and reading that
   only while executing keeps it out of what dbt remembers of a parse: otherwise every night would parse again what
   looks back. #}
{% macro given_night() -%}
    {%- set night = var('as_of', env_var('NIGHTMARKET_AS_OF', '') if execute else '') -%}
    {{ "cast('" ~ night ~ "' as date)" if night }}
{%- endmacro %}


{# How far back BI looks, the newest night included. #}
{% macro bi_history_days() -%}
    {{ var('bi_history_days', env_var('NIGHTMARKET_BI_HISTORY_DAYS', '90')) | int }}
{%- endmacro %}


{# What a day fact knew as of the newest night: nothing that happened or was delivered later. `days` long, or as far
   back as BI looks. A given night is written out rather than joined from stg_as_of: only so the warehouse knows before
   it reads which days to leave out, and 28 days of a long history cost no more than 28 of a short one. #}
{% macro known_days(day_fact, days=none) -%}
    {%- set given = given_night() -%}
    {%- set as_of = given or 'as_of.as_of' -%}
    select
        day_facts.*,
        {{ as_of }} as as_of,
        {{ as_of }} - day_facts.event_date as age_days
    from {{ ref(day_fact) }} as day_facts
    {% if not given -%}
    cross join {{ ref('stg_as_of') }} as as_of
    {% endif -%}
    where
        day_facts.event_date <= {{ as_of }}
        and day_facts.landing_date <= {{ as_of }}
        and day_facts.event_date > {{ as_of }} - {{ days or bi_history_days() }}
{%- endmacro %}
