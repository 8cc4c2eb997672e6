{# A larger session is a reseller or a robot: it says little about what goes together and costs its size squared. #}
{% set max_items = 100 %}

{{ config(materialized='view') }}

with session_item_days as (

    {{ known_days('int_session_item_day', 28) }}

),

-- An item that came in two deliveries of one session is in that session once.
items as (

    select distinct
        as_of,
        event_date,
        session_id,
        item_id
    from session_item_days

),

sized as (

    select
        *,
        count(*) over (partition by event_date, session_id) as items_in_session
    from items

)

select
    as_of,
    event_date,
    session_id,
    item_id
from sized
where items_in_session <= {{ max_items }}
