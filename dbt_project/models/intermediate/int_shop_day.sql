with events as (

    select * from {{ ref('stg_events') }}
    {{ where_pending() }}

),

days as (

    select
        event_date,
        landing_date,
        cast(count(*) as bigint) as events,
        cast(count(distinct session_id) as bigint) as sessions,
        cast(count(distinct order_id) as bigint) as orders,
        cast(count(distinct case when user_id is null then order_id end) as bigint) as anonymous_orders,
        cast(sum(purchased_units) as bigint) as purchased_units,
        cast(sum(returned_units) as bigint) as returned_units,
        cast(sum(purchase_amount) as decimal(18, 2)) as purchase_amount,
        cast(sum(return_amount) as decimal(18, 2)) as return_amount,
        cast(sum(revenue) as decimal(18, 2)) as revenue
    from events
    group by event_date, landing_date

)

select * from days
