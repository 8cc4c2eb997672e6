with scored as (

    select scores.*
    from {{ source('scores', 'propensity') }} as scores
    inner join {{ ref('stg_scored_nights') }} as nights on scores.scored_for = nights.scored_for

),

newest as (

    select max(scored_for) as scored_for from scored

)

select
    scored.scored_for,
    scored.user_id,
    scored.horizon_days,
    scored.buy_probability,
    scored.lapse_probability,
    scored.model_name,
    scored.model_version,
    scored.run_id,
    scored.scored_at
from scored
inner join newest on scored.scored_for = newest.scored_for
