with session_queries as (

    {{ known_days('int_session_query_day', 28) }}

),

-- One row per time that somebody looked for something: a session of a day and a query.
looked as (

    select
        as_of,
        event_date,
        session_id,
        query,
        sum(searches) as searches,
        sum(impressions) > 0 as has_results,
        sum(views) > 0 as has_view,
        sum(cart_adds) > 0 as has_cart,
        sum(purchased_lines) > 0 as has_purchase,
        min(first_viewed_position) as first_viewed_position
    from session_queries
    group by as_of, event_date, session_id, query
    having sum(searches) > 0

),

queries as (

    select
        as_of,
        query,
        cast(sum(searches) as bigint) as searches_28d,
        cast(count(*) as bigint) as sessions_28d,
        cast(sum(case when has_results then 1 else 0 end) as bigint) as with_results,
        cast(sum(case when has_view then 1 else 0 end) as bigint) as with_view,
        cast(sum(case when has_cart then 1 else 0 end) as bigint) as with_cart,
        cast(sum(case when has_purchase then 1 else 0 end) as bigint) as with_purchase,
        {{ ratio('sum(first_viewed_position)', 'count(first_viewed_position)') }} as mean_first_viewed_position_28d,
        max(event_date) as last_searched_on
    from looked
    group by as_of, query

),

-- What the shop logs for no query at all it does not log: null rather than zero.
logged as (

    select
        *,
        case when sum(with_results) over () > 0 then with_results end as sessions_with_results_28d,
        case when sum(with_view) over () > 0 then with_view end as sessions_with_view_28d,
        case when sum(with_cart) over () > 0 then with_cart end as sessions_with_cart_28d,
        case when sum(with_purchase) over () > 0 then with_purchase end as sessions_with_purchase_28d
    from queries

)

select
    as_of,
    query,
    searches_28d,
    sessions_28d,
    sessions_with_results_28d,
    sessions_with_view_28d,
    sessions_with_cart_28d,
    sessions_with_purchase_28d,
    {{ ratio('sessions_28d - sessions_with_results_28d', 'sessions_28d') }} as no_result_share_28d,
    {{ ratio('sessions_with_view_28d', 'sessions_28d') }} as view_share_28d,
    {{ ratio('sessions_with_purchase_28d', 'sessions_28d') }} as purchase_share_28d,
    mean_first_viewed_position_28d,
    last_searched_on
from logged
