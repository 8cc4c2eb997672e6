{# The filter of a day fact: after the first build, only the event dates that were loaded since the last one.
   `source` stands outside the `if` because dbt learns dependencies while `is_incremental()` is still false. #}
{% macro where_pending() -%}
    {%- set pending_days = source('ops', 'pending_days') -%}
    {%- if is_incremental() -%}
        where event_date in (select event_date from {{ pending_days }})
    {%- endif -%}
{%- endmacro %}


{# Delete by pending date rather than by the dates of the new rows: a date that lost all its rows has no new ones.
   Both statements run in the materialisation's one transaction. #}
{% macro get_incremental_replace_days_sql(arguments) -%}
    {%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
    delete from {{ arguments.target_relation }}
    where event_date in (select event_date from {{ source('ops', 'pending_days') }});

    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }}
{%- endmacro %}
