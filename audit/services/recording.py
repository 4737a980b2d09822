"""The only way to write history and its announcement: two parts of whatever statement changes a status.

The statement provides a CTE named ``moved`` with one row a transition: history_id, customer_id, sequence, from_stage,
to_stage, effective_at, on_behalf_of, reason_code, request_id, event_id, note, previous_hash, hash, and depth: how many
changes of event rules led to it, itself included. Its parameter ``headers`` is what ``trace_headers`` gives.
"""

import base64
from contextvars import ContextVar
from typing import Final

TOPIC: Final = "audit.lifecycle.updated"

# The header of an announcement, and the attribute of its event, that says ``depth``; left out for 0.
DEPTH: Final = "causationdepth"

NOW: Final = "%(now)s::timestamptz"

# The W3C trace context of the request at work; anyone who reads its announcement can find out what led to it.
traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def trace_headers() -> str | None:
    """The headers of the announcement, as the outbox keeps them (OutboxMessage.headers); None outside of a request."""
    context = traceparent.get()
    return f'[["traceparent", "{base64.b64encode(context.encode()).decode()}"]]' if context else None


def record_and_announce(changed_at: str = NOW) -> str:
    """The two parts. ``changed_at`` is an SQL expression over ``moved`` and the parameters."""
    return f"""
recorded AS (
    INSERT INTO customer_lifecycle_history
        (id, tenant_id, customer_id, sequence, from_stage, to_stage, changed_at, effective_at, recorded_at,
         changed_by, on_behalf_of, actor_kind, source, reason_code, request_id, event_id, configuration_version,
         note, previous_hash, hash)
    SELECT history_id, %(tenant_id)s::uuid, customer_id, sequence, from_stage, to_stage,
           {changed_at}, effective_at, transaction_timestamp(),
           %(changed_by)s::text, on_behalf_of, %(actor_kind)s::text, %(source)s::text, reason_code, request_id,
           event_id, %(configuration_version)s::int, note, previous_hash, hash
      FROM moved
), announced AS (
    INSERT INTO audit_outbox (tenant_id, topic, key, history_id, headers, created_at)
    SELECT %(tenant_id)s::uuid, '{TOPIC}', convert_to(customer_id::text, 'UTF8'), history_id,
           CASE WHEN depth = 0 THEN %(headers)s::jsonb ELSE COALESCE(%(headers)s::jsonb, '[]') || jsonb_build_array(
               jsonb_build_array('{DEPTH}', encode(convert_to(depth::text, 'UTF8'), 'base64'))) END,
           transaction_timestamp()
      FROM moved ORDER BY history_id
)
"""  # noqa: S608  only the fixed expressions above are put in
