{# Every row of a table of deliveries as it was delivered last, as of the newest night: one row a `key`. #}
{% macro newest_deliveries(deliveries, key) -%}
    select *
    from (
        select
            deliveries.*,
            as_of.as_of,
            row_number() over (partition by deliveries.{{ key }} order by deliveries.landing_date desc) as newness
        from {{ deliveries }} as deliveries
        inner join {{ ref('stg_as_of') }} as as_of on deliveries.landing_date <= as_of.as_of
    ) as known
    where newness = 1
{%- endmacro %}
