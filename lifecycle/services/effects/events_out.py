"""Effects of kind ``event``: a CloudEvent for systems that take up the process, through the outbox."""

import datetime as dt
from base64 import b64encode
from typing import Any, Final

import orjson

from audit.services.recording import DEPTH
from audit.services.relay_notification import notify_relay_after_commit
from lifecycle.rules.envelopes import STRUCTURED_TYPE
from lifecycle.services.effects.facts import Facts
from storage.cursors import prepared_cursor

SOURCE: Final = "/customer360/effects"

_PROMISE: Final = """
INSERT INTO audit_outbox (tenant_id, topic, key, payload, headers, created_at)
VALUES (%(tenant_id)s::uuid, %(topic)s, convert_to(%(key)s, 'UTF8'), %(payload)s::bytea, %(headers)s::jsonb,
        transaction_timestamp())
"""


def promise_event(facts: Facts) -> None:
    """Put the event into the outbox, in the caller's transaction. One statement."""
    headers = [["content-type", b64encode(f"{STRUCTURED_TYPE}; charset=UTF-8".encode()).decode()]]
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _PROMISE,
            {
                "tenant_id": facts.job.tenant.id,
                "topic": facts.job.recipient,
                "key": str(facts.job.customer_id),
                "payload": "\\x" + orjson.dumps(describe_event(facts)).hex(),
                "headers": orjson.dumps(headers).decode(),
            },
        )
    notify_relay_after_commit()


def describe_event(facts: Facts) -> dict[str, Any]:
    """The CloudEvent. Its id is the effect's: a consumer that has seen it before need not look again."""
    job = facts.job
    data = {
        "tenant": job.tenant.slug,
        "customer_id": str(job.customer_id),
        "external_id": facts.values["customer.external_id"],
        "effect": job.effect,
        "template": facts.effect.template,
        "from_stage": job.from_stage,
        "to_stage": job.to_stage,
        "reason_code": job.reason_code,
        "changed_at": _as_text(job.changed_at),
        "sequence": job.sequence,
    }
    return {
        "specversion": "1.0",
        "id": str(job.id),
        "source": SOURCE,
        "type": job.recipient,
        "subject": str(job.customer_id),
        "time": _as_text(job.changed_at),
        "datacontenttype": "application/json",
        "dataschema": f"urn:customer360:schema:{job.recipient}:1",
        "tenantid": job.tenant.slug,
        **({DEPTH: job.depth} if job.depth else {}),
        "data": data,
    }


def _as_text(timestamp: dt.datetime) -> str:
    return timestamp.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
