with as_of as (

    select * from {{ ref('stg_as_of') }}

),

files as (

    select
        landing_date as check_date,
        'conservation' as check_kind,
        entity || '/' || file as subject,
        'rows in = published + deduplicated + quarantined' as check_name,
        rows_in = rows_published + rows_deduplicated + rows_quarantined as is_passed,
        rows_in as rows_checked,
        rows_quarantined as rows_failed,
        rows_published,
        rows_deduplicated,
        note as detail
    from {{ source('ops', 'landing_files') }}

),

quarantined as (

    select
        landing_date as check_date,
        'quarantine' as check_kind,
        entity as subject,
        reason as check_name,
        false as is_passed,
        cast(null as bigint) as rows_checked,
        rows as rows_failed,
        cast(null as bigint) as rows_published,
        cast(null as bigint) as rows_deduplicated,
        cast(null as text) as detail
    from {{ source('ops', 'quarantine_counts') }}

),

masked as (

    select
        landing_date as check_date,
        'masking' as check_kind,
        entity as subject,
        kind as check_name,
        true as is_passed,
        rows as rows_checked,
        cast(null as bigint) as rows_failed,
        cast(null as bigint) as rows_published,
        cast(null as bigint) as rows_deduplicated,
        'masked in ' || cast(places as text) || ' places' as detail
    from {{ source('ops', 'masked_counts') }}

),

audits as (

    select
        -- a night is a date, or 'first..last' for a history pass
        case when right(night, 10) like '____-__-__' then cast(right(night, 10) as date) end as check_date,
        'audit' as check_kind,
        suite || ' ' || night as subject,
        expectation as check_name,
        success as is_passed,
        rows as rows_checked,
        unexpected_count as rows_failed,
        cast(null as bigint) as rows_published,
        cast(null as bigint) as rows_deduplicated,
        severity as detail
    from {{ source('ops', 'audit_results') }}

),

duplicates as (

    select
        as_of.as_of as check_date,
        'duplicate' as check_kind,
        twice.item_id || '/' || twice.duplicate_item_id as subject,
        'two items are not one product' as check_name,
        false as is_passed,
        cast(null as bigint) as rows_checked,
        cast(null as bigint) as rows_failed,
        cast(null as bigint) as rows_published,
        cast(null as bigint) as rows_deduplicated,
        'similarity ' || cast(cast(twice.similarity as decimal(6, 3)) as text) as detail
    from {{ source('scores', 'duplicate_products') }} as twice
    cross join as_of

),

checks as (

    select * from files
    union all
    select * from quarantined
    union all
    select * from masked
    union all
    select * from audits
    union all
    select * from duplicates

)

select
    as_of.as_of,
    checks.*
from checks
inner join as_of on checks.check_date between as_of.history_from and as_of.as_of
