{# 1 (lowest) to 5. `rank` gives equal rows equal scores, so the order needs no tie-break. #}
{% macro quintile(measure, direction) -%}
    cast(
        1 + floor(5 * (rank() over (order by {{ measure }} {{ direction }} nulls first) - 1) / count(*) over ())
        as integer
    )
{%- endmacro %}
