with nights as (

    select scores.scored_for
    from {{ source('scores', 'recommendations') }} as scores
    inner join {{ ref('stg_scored_nights') }} as nights on scores.scored_for = nights.scored_for

),

-- The night whose lists are shown: it may have no rules though the one before had some.
newest as (

    select max(scored_for) as scored_for from nights

),

effects as (

    select * from {{ source('scores', 'rule_effects') }}

)

select
    effects.scored_for,
    effects.rule,
    effects.line,
    effects.kind,
    effects.state,
    effects.note,
    effects.valid_from,
    effects.valid_until,
    effects.items,
    effects.lists,
    effects.places,
    effects.rules_digest
from effects
inner join newest on effects.scored_for = newest.scored_for
