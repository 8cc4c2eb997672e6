with customers as (

    select * from {{ ref('user_features') }}
    where orders_365d > 0

),

scored as (

    select
        *,
        {{ quintile('recency_days', 'desc') }} as recency_score,
        {{ quintile('orders_365d', 'asc') }} as frequency_score,
        {{ quintile('revenue_365d', 'asc') }} as monetary_score
    from customers

)

select
    as_of,
    user_id,
    case
        when recency_score >= 4 and frequency_score >= 4 and monetary_score >= 4 then 'champion'
        when first_order_days < 28 then 'new'
        when recency_score >= 3 and frequency_score >= 4 then 'loyal'
        when recency_score <= 2 and frequency_score >= 4 then 'at risk'
        when recency_score <= 2 then 'sleeping'
        when monetary_score >= 4 then 'big spender'
        else 'occasional'
    end as segment,
    recency_score,
    frequency_score,
    monetary_score,
    recency_days,
    orders_365d,
    revenue_365d
from scored
