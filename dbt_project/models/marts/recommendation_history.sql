{{ config(materialized='incremental', incremental_strategy='replace_nights', on_schema_change='fail') }}

with scored as (

    select scores.*
    from {{ source('scores', 'recommendations') }} as scores
    inner join {{ ref('stg_scored_nights') }} as nights on scores.scored_for = nights.scored_for
    where nights.is_kept_for_bi

),

-- A night that is scored again gets a new run_id, so only nights this table does not hold yet are copied.
unseen as (

    select distinct
        scored_for,
        run_id
    from scored
    {% if is_incremental() %}
    except
    select distinct
        scored_for,
        run_id
    from {{ this }}
    {% endif %}

)

select
    scored.scored_for,
    scored.user_id,
    scored.rank,
    scored.item_id,
    scored.score,
    scored.reason_type,
    scored.reason,
    scored.rule,
    coalesce(scored.propensity, 1) as propensity,
    coalesce(scored.is_explored, false) as is_explored,
    scored.model_name,
    scored.model_version,
    scored.run_id,
    scored.scored_at
from scored
inner join unseen on scored.scored_for = unseen.scored_for and scored.run_id = unseen.run_id
