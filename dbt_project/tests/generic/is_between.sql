{# Rows outside [minimum, maximum]; nulls are another test's business. #}
{% test is_between(model, column_name, minimum=none, maximum=none) %}
    select {{ column_name }}
    from {{ model }}
    where
        {{ column_name }} < {{ column_name if minimum is none else minimum }}
        or {{ column_name }} > {{ column_name if maximum is none else maximum }}
{% endtest %}
