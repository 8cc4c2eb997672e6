{{ config(materialized='view') }}

with user_item_days as (

    {{ known_days('int_user_item_day', 365) }}

),

buyer_days as (

    select
        item_id,
        user_id,
        -- cheaper than to count distinct days
        min(event_date) < max(event_date) as came_back
    from user_item_days
    where purchased_lines > 0
    group by item_id, user_id

)

select
    item_id,
    cast(count(*) as bigint) as buyers_365d,
    {{ ratio('sum(case when came_back then 1 else 0 end)', 'count(*)') }} as repeat_rate_365d
from buyer_days
group by item_id
