{# What a day fact knew as of the newest night: nothing that happened or was delivered later. `days` long, or as far
   back as BI looks. #}
{% macro known_days(day_fact, days=none) -%}
    select
        day_facts.*,
        as_of.as_of,
        as_of.as_of - day_facts.event_date as age_days
    from {{ ref(day_fact) }} as day_facts
    inner join {{ ref('stg_as_of') }} as as_of
        on day_facts.event_date <= as_of.as_of and day_facts.landing_date <= as_of.as_of
    where day_facts.event_date {{ '>= as_of.history_from' if days is none else '> as_of.as_of - ' ~ days }}
{%- endmacro %}
