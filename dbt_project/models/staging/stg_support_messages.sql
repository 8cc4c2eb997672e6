{# Every message as it was delivered last, as of the newest night. #}
with as_of as (

    select * from {{ ref('stg_as_of') }}

),

messages as (

    select * from {{ source('raw', 'support_messages') }}

),

known as (

    select
        messages.*,
        as_of.as_of,
        row_number() over (partition by messages.message_id order by messages.landing_date desc) as newness
    from messages
    inner join as_of on messages.landing_date <= as_of.as_of

)

select
    as_of,
    landing_date,
    message_id,
    user_id,
    item_id,
    created_at,
    channel,
    language,
    subject,
    body,
    intent,
    reply,
    replied_at
from known
where newness = 1
