{# BI and Python name schemas without a prefix, so a model's schema is exactly the one its folder says. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema if custom_schema_name is none else custom_schema_name | trim }}
{%- endmacro %}
