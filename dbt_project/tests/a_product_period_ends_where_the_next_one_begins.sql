-- A gap or an overlap would give an item no description, or two, on some day.
with periods as (

    select
        item_id,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by item_id order by valid_from asc nulls first) as next_valid_from
    from {{ ref('product_history') }}

)

select * from periods
where valid_to is distinct from next_valid_from
