{{ config(materialized='view') }}

with user_item_days as (

    {{ known_days('int_user_item_day', 365) }}

),

buyer_days as (

    select
        item_id,
        user_id,
        count(distinct event_date) as days_bought
    from user_item_days
    where purchased_lines > 0
    group by item_id, user_id

)

select
    item_id,
    cast(count(*) as bigint) as buyers_365d,
    {{ ratio('sum(case when days_bought > 1 then 1 else 0 end)', 'count(*)') }} as repeat_rate_365d
from buyer_days
group by item_id
