{# BI and Python name schemas without a prefix, so a model's schema is exactly the one its folder says. Only on
   PostgreSQL BI must not see a mart while it is built: there publishing copies it from `built` to what BI sees. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = target.schema if custom_schema_name is none else custom_schema_name | trim -%}
    {{ 'built' if target.name == 'served' and schema == 'marts' else schema }}
{%- endmacro %}
