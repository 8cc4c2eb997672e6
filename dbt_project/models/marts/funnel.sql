with session_days as (

    {{ known_days('int_session_day') }}

),

sessions as (

    select
        as_of,
        event_date,
        session_id,
        sum(views) > 0 as has_view,
        sum(cart_adds) > 0 as has_cart,
        sum(purchased_lines) > 0 as has_purchase
    from session_days
    group by as_of, event_date, session_id

),

steps as (

    select
        as_of,
        event_date,
        cast(count(*) as bigint) as sessions,
        cast(sum(case when has_view then 1 else 0 end) as bigint) as viewed,
        cast(sum(case when has_cart then 1 else 0 end) as bigint) as carted,
        cast(sum(case when has_purchase then 1 else 0 end) as bigint) as purchased
    from sessions
    group by as_of, event_date

),

-- A step that never occurs is one the shop does not log, not one that nobody takes: null rather than zero.
logged as (

    select
        *,
        case when sum(viewed) over () > 0 then viewed end as sessions_with_view,
        case when sum(carted) over () > 0 then carted end as sessions_with_cart,
        case when sum(purchased) over () > 0 then purchased end as sessions_with_purchase
    from steps

)

select
    as_of,
    event_date,
    sessions,
    sessions_with_view,
    sessions_with_cart,
    sessions_with_purchase,
    {{ ratio('sessions_with_cart', 'sessions_with_view') }} as cart_per_view,
    {{ ratio('sessions_with_purchase', 'sessions_with_cart') }} as purchase_per_cart,
    {{ ratio('sessions_with_purchase', 'sessions') }} as purchase_per_session
from logged
