{# Nights that were scored again are replaced; nights whose scores are gone, failed their audit since, or lie outside
   BI's window leave. #}
{% macro get_incremental_replace_nights_sql(arguments) -%}
    {%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
    delete from {{ arguments.target_relation }}
    where
        scored_for in (select scored_for from {{ arguments.temp_relation }})
        or scored_for not in (
            select scores.scored_for
            from {{ source('scores', 'recommendations') }} as scores
            inner join {{ ref('stg_scored_nights') }} as nights on scores.scored_for = nights.scored_for
            where nights.is_kept_for_bi
        );

    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }}
{%- endmacro %}
