{# On PostgreSQL a view is replaced in place. dbt's own way renames the old one and drops it, and with it every view that
   reads from it: these would be gone for whoever reads them meanwhile, and of two threads that drop two views under one
   third, one has failed by a deadlock (int_shown_place reads both stg_as_of and stg_events). -#}
{% materialization view, adapter='postgres' %}

    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='view') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {#- After an upgrade the columns may be others, which a view in place cannot change; that build has one thread. -#}
    {%- if existing is not none and (should_full_refresh() or not existing.is_view) -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}

    {% call statement('main') -%}
        {{ get_replace_view_sql(target, sql) }}
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target]}) }}

{% endmaterialization %}
