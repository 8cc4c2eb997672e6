with nights as (

    select max(night) as newest from {{ source('ops', 'nights') }}

),

events as (

    select max(landing_date) as newest from {{ source('raw', 'events') }}

),

chosen as (

    select {{ given_night() or 'coalesce(nights.newest, events.newest)' }} as as_of
    from nights
    cross join events

)

select
    as_of,
    as_of - {{ bi_history_days() }} + 1 as history_from
from chosen
