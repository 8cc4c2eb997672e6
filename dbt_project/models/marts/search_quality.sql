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

),

-- The best that could be: the judged products of a query in the order of their grades.
judged as (

    select
        query,
        item_id,
        power(2, grade) - 1 as gain,
        row_number() over (partition by query order by grade desc, item_id asc) as best_rank
    from {{ ref('stg_judged_pairs') }}

),

ideal as (

    select
        query,
        cast(count(*) as bigint) as judged_products,
        sum(case when best_rank <= 10 then gain / (ln(best_rank + 1) / ln(2)) else 0 end) as gain
    from judged
    group by query

),

-- What the list of tonight reaches; a product that nobody judged gains nothing.
listed as (

    select
        found.query,
        cast(count(judged.item_id) as bigint) as judged_products,
        sum(coalesce(judged.gain, 0) / (ln(found.rank + 1) / ln(2))) as gain
    from {{ source('scores', 'query_products') }} as found
    left join judged on found.query = judged.query and found.item_id = judged.item_id
    where found.rank <= 10
    group by found.query

)

select
    logged.as_of,
    logged.query,
    logged.searches_28d,
    logged.sessions_28d,
    logged.sessions_with_results_28d,
    logged.sessions_with_view_28d,
    logged.sessions_with_cart_28d,
    logged.sessions_with_purchase_28d,
    {{ ratio('logged.sessions_28d - logged.sessions_with_results_28d', 'logged.sessions_28d') }} as no_result_share_28d,
    {{ ratio('logged.sessions_with_view_28d', 'logged.sessions_28d') }} as view_share_28d,
    {{ ratio('logged.sessions_with_purchase_28d', 'logged.sessions_28d') }} as purchase_share_28d,
    logged.mean_first_viewed_position_28d,
    coalesce(ideal.judged_products, 0) as judged_products,
    case when ideal.query is not null then listed.judged_products end as judged_in_list,
    {{ ratio('listed.gain', 'ideal.gain') }} as ndcg_at_10,
    logged.last_searched_on
from logged
left join ideal on logged.query = ideal.query
left join listed on logged.query = listed.query
