{% set partners = 50 %}

with baskets as (

    select * from {{ ref('int_basket') }}

),

sessions as (

    select count(*) as total
    from (
        select distinct
            event_date,
            session_id
        from baskets
    ) as distinct_sessions

),

items as (

    select
        item_id,
        count(*) as sessions
    from baskets
    group by item_id

),

pairs as (

    select
        baskets.as_of,
        baskets.item_id,
        partner.item_id as partner_item_id,
        count(*) as sessions_together
    from baskets
    inner join baskets as partner
        on
            baskets.event_date = partner.event_date
            and baskets.session_id = partner.session_id
            and baskets.item_id <> partner.item_id
    group by baskets.as_of, baskets.item_id, partner.item_id

),

measured as (

    select
        pairs.*,
        {{ ratio('pairs.sessions_together', 'sessions.total') }} as support,
        {{ ratio('pairs.sessions_together', 'items.sessions') }} as confidence,
        {{ ratio('pairs.sessions_together * sessions.total', 'items.sessions * partners.sessions') }} as lift,
        cast(
            row_number() over (
                partition by pairs.item_id
                order by
                    pairs.sessions_together desc nulls last,
                    partners.sessions asc nulls last,
                    pairs.partner_item_id asc nulls last
            ) as integer
        ) as partner_rank
    from pairs
    cross join sessions
    inner join items on pairs.item_id = items.item_id
    inner join items as partners on pairs.partner_item_id = partners.item_id

)

select * from measured
where partner_rank <= {{ partners }}
