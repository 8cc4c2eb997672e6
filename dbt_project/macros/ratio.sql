{# One final division of exact numbers; null where the denominator is zero. #}
{% macro ratio(numerator, denominator) -%}
    cast({{ numerator }} as double precision) / nullif(cast({{ denominator }} as double precision), 0)
{%- endmacro %}


{# A sum over the newest `days` days of rows that carry age_days. #}
{% macro sum_within(days, measure, type='bigint') -%}
    cast(sum(case when age_days < {{ days }} then {{ measure }} else 0 end) as {{ type }})
{%- endmacro %}
