with messages as (

    select * from {{ ref('stg_support_messages') }}
    where reply is null

),

suggestions as (

    select * from {{ source('scores', 'reply_suggestions') }}

)

select
    messages.as_of,
    messages.message_id,
    messages.user_id,
    messages.item_id,
    messages.created_at,
    cast(messages.as_of - cast(messages.created_at at time zone 'UTC' as date) as integer) as age_days,
    messages.channel,
    messages.language,
    messages.subject,
    messages.body,
    coalesce(messages.intent, suggestions.intent) as intent,
    case when messages.intent is null then suggestions.intent_confidence end as intent_confidence,
    suggestions.suggested_reply,
    suggestions.answered_message_id,
    suggestions.confidence,
    coalesce(suggestions.hand_over, case when suggestions.message_id is null then 'not read' end) as hand_over,
    suggestions.model_name,
    suggestions.model_version,
    suggestions.run_id,
    suggestions.scored_at
from messages
left join suggestions on messages.message_id = suggestions.message_id
