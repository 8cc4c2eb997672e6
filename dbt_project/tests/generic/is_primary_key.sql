{# Rows that break a primary key: a null in any of its columns, or a repeated value. #}
{% test is_primary_key(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as rows_with_key
    from {{ model }}
    group by {{ columns | join(', ') }}
    having
        count(*) > 1
        {% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
