with as_of as (

    select * from {{ ref('stg_as_of') }}

),

runs as (

    select
        *,
        -- a run is of one night, or of 'first..last' for a history pass
        case when right(night, 10) like '____-__-__' then cast(right(night, 10) as date) end as last_date
    from {{ source('ops', 'runs') }}

),

nights as (

    select * from {{ source('ops', 'nights') }}

)

select
    as_of.as_of,
    runs.night,
    runs.last_date,
    runs.step,
    runs.status,
    runs.rows,
    runs.error,
    runs.seconds,
    runs.started_at,
    runs.finished_at,
    coalesce(nights.is_closed, false) as is_closed,
    nights.published_at
from runs
inner join as_of on runs.last_date between as_of.history_from and as_of.as_of
left join nights on runs.last_date = nights.night
