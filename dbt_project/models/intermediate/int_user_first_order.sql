{{ config(materialized='view') }}

-- The one model that looks at all of history: who is new today depends on every earlier day.
with user_days as (

    {{ known_days('int_user_day', 36525) }}

)

select
    user_id,
    min(event_date) as first_order_date
from user_days
where orders > 0
group by user_id
