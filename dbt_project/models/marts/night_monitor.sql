with as_of as (

    select * from {{ ref('stg_as_of') }}

),

measured as (

    select * from {{ source('ops', 'monitor') }}

)

select
    as_of.as_of,
    measured.night,
    measured.area,
    measured.name,
    measured.part,
    measured.value,
    measured.reference,
    measured.threshold,
    measured.alarm as is_alarm,
    measured.n,
    measured.message
from measured
inner join as_of on measured.night between as_of.history_from and as_of.as_of
