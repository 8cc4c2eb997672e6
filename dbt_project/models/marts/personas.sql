with personas as (

    select * from {{ source('scores', 'personas') }}

),

products as (

    select * from {{ ref('product_history') }}
    where is_current

),

traits as (

    select
        traits.persona,
        traits.kind,
        traits.rank,
        case when traits.kind = 'item' then coalesce(products.title, traits.value) else traits.value end as said
    from {{ source('scores', 'persona_traits') }} as traits
    left join products on traits.kind = 'item' and traits.value = products.item_id

),

spoken as (

    select
        persona,
        string_agg(case when kind = 'category' then said end, ', ' order by rank) as categories,
        string_agg(case when kind = 'word' then said end, ', ' order by rank) as words,
        string_agg(case when kind = 'item' then said end, '; ' order by rank) as typical_items
    from traits
    group by persona

)

select
    as_of.as_of,
    personas.persona,
    personas.users,
    personas.share,
    personas.purchases_per_user,
    personas.days_between_visits,
    personas.median_price,
    personas.price_level,
    personas.description,
    spoken.categories,
    spoken.words,
    spoken.typical_items,
    personas.model_name,
    personas.model_version,
    personas.run_id,
    personas.scored_at
from personas
cross join {{ ref('stg_as_of') }} as as_of
left join spoken on personas.persona = spoken.persona
