with as_of as (

    select * from {{ ref('stg_as_of') }}

),

nights as (

    select * from {{ source('ops', 'nights') }}

),

-- A night may be published by a pass of history whose own scores have failed.
failed as (

    select distinct night
    from {{ source('ops', 'audit_results') }}
    where suite = 'scores' and severity = 'critical' and not success

)

select
    nights.night as scored_for,
    nights.night >= as_of.history_from as is_kept_for_bi
from nights
inner join as_of on nights.night <= as_of.as_of
left join failed on cast(nights.night as text) = failed.night
where failed.night is null
