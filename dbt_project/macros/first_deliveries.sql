{# Sessions or orders of an event date, each counted once: by the delivery that first brought it. So the sum over the
   deliveries known as of a night is the number of distinct ones, whatever comes late, and the count of a delivery
   never changes. `events` is the CTE to read; `by` the further columns of the grain. #}
{% macro first_deliveries(thing, by=[]) -%}
    {%- set grain = ['event_date'] + by -%}
    select
        {{ grain | join(', ') }},
        landing_date,
        cast(count(*) as bigint) as total
    from (
        select
            {{ grain | join(', ') }},
            min(landing_date) as landing_date
        from events
        where {{ thing }} is not null
        group by {{ grain | join(', ') }}, {{ thing }}
    ) as firsts
    group by {{ grain | join(', ') }}, landing_date
{%- endmacro %}
