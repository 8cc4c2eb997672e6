{# Nights that were scored again are replaced; nights whose scores are gone or outside BI's window leave. #}
{% macro get_incremental_replace_nights_sql(arguments) -%}
    {%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
    delete from {{ arguments.target_relation }}
    where
        scored_for in (select scored_for from {{ arguments.temp_relation }})
        or scored_for not in (
            select scores.scored_for
            from {{ source('scores', 'recommendations') }} as scores
            inner join {{ ref('stg_as_of') }} as as_of
                on scores.scored_for between as_of.history_from and as_of.as_of
        );

    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }}
{%- endmacro %}
