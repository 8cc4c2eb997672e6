{# Every message as it was delivered last, as of the newest night. #}
with messages as (

    {{ newest_deliveries(source('raw', 'support_messages'), 'message_id') }}

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
from messages
