with metrics as (

    select * from {{ source('ops', 'model_metrics') }}

),

as_of as (

    select * from {{ ref('stg_as_of') }}

)

select
    as_of.as_of,
    metrics.family,
    metrics.model_name,
    metrics.model_version,
    metrics.cutoff,
    metrics.cutoff + metrics.test_days as evaluated_until,
    metrics.slice,
    metrics.metric,
    metrics.value,
    metrics.low,
    metrics.high,
    metrics.users,
    metrics.cutoff + metrics.test_days
    = max(metrics.cutoff + metrics.test_days) over (partition by metrics.family) as is_latest,
    metrics.trained_at
from metrics
inner join as_of on metrics.cutoff <= as_of.as_of
