"""How each kind of automation is delivered, and what became of it. Nothing raises here for what others do."""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formataddr
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from lifecycle.delivery.mail import send_mail
from lifecycle.delivery.retries import next_try
from lifecycle.delivery.webhooks import Delivery, send_webhook
from lifecycle.models import EffectRun
from lifecycle.sentences import say_for_record
from lifecycle.services.effects import digests
from lifecycle.services.effects.addresses import AddressRefused, check_url
from lifecycle.services.effects.alerts import raise_alert
from lifecycle.services.effects.digests import render_digest
from lifecycle.services.effects.endpoints import Destination, note_failure, note_success, read_destinations
from lifecycle.services.effects.events_out import promise_event
from lifecycle.services.effects.facts import (
    Facts,
    Mail,
    NothingToDeliver,
    gather_all,
    gather_facts,
    keep_within,
    render_mail,
)
from lifecycle.services.effects.kinds import ESCALATION
from lifecycle.services.effects.queue import Job, Result, hand_over
from lifecycle.services.insight.forecasts import forecast_customer
from tenants.context import tenant_context

WEBHOOK_SECONDS: Final = 15.0
MAIL_SECONDS: Final = 60.0
MOST_MAIL_TRIES: Final = 5
WEBHOOK_TYPE: Final = "customer.lifecycle.changed"
# Of what was tried as often as it is: "retry" says that it is tried again, and no one has refused it.
GIVEN_UP: Final = "given_up"
# Of what did not leave and never would: no receiver has said anything.
NOT_SENT: Final = "not_sent"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked up for a webhook before its turn."""

    facts: Facts | NothingToDeliver
    destination: Destination | None


def look_up(jobs: Sequence[Job]) -> Mapping[UUID, Looked]:
    """What the webhooks of one claim say, and where they go, by job. Two statements; none for others."""
    webhooks = [job for job in jobs if job.kind == "webhook"]
    if not webhooks:
        return {}
    tenant = webhooks[0].tenant
    with tenant_context(tenant.id):
        facts = gather_all(webhooks)
        endpoint_ids = {_endpoint_of(job) for job in webhooks}
        destinations = read_destinations(endpoint_ids, tenant=tenant, now=timezone.now())
    return {job.id: Looked(facts[job.id], destinations.get(_endpoint_of(job))) for job in webhooks}


def deliver(job: Job, looked: Looked | None = None) -> Result:
    """Deliver one effect; what became of it, when, and how long it took. Bounded in time.

    ``looked`` is what ``look_up`` has found of it, if it was: then nothing is asked of the database for a webhook that
    is taken.
    """
    now, began = timezone.now(), time.monotonic()
    try:
        if job.kind == "webhook":
            result = _send_webhook(job, looked or look_up([job])[job.id])
        else:
            result = _SENDERS[job.kind](job)
    except NothingToDeliver as nothing:
        result = Result(EffectRun.SUPPRESSED, str(nothing))
    took = round((time.monotonic() - began) * 1000)
    return replace(result, attempt={"at": as_text(now), "milliseconds": took, **(result.attempt or {})})


def _send_alert(job: Job) -> Result:
    with tenant_context(job.tenant.id):
        raise_alert(job, now=timezone.now())
    return Result(EffectRun.DONE)


def _publish_event(job: Job) -> Result:
    """The outbox promises it to Kafka; killed before it is noted as done, it is promised again, with the same id."""
    with tenant_context(job.tenant.id):
        facts = gather_facts(job)
        keep_within(facts)
        promise_event(facts)
    return Result(EffectRun.DONE)


def _make_forecast(job: Job) -> Result:
    """Make the customer's forecast again, of what is known now [BP-1]; where forecasts are hidden there is none."""
    with tenant_context(job.tenant.id):
        is_made = forecast_customer(job.customer_id, tenant=job.tenant, now=timezone.now())
    return Result(EffectRun.DONE, attempt={"answer": "Made again." if is_made else "There is no forecast to show."})


def _send_email(job: Job) -> Result:
    with tenant_context(job.tenant.id):
        mail = render_mail(gather_facts(job))
    return _mail(job, mail)


def _send_digest(job: Job) -> Result:
    with tenant_context(job.tenant.id):
        try:
            mail = render_digest(job)
        except NothingToDeliver as nothing:
            # Not out of the block, which would be rolled back: that the alerts are shown now is announced all the same.
            return Result(EffectRun.SUPPRESSED, str(nothing))
    return _mail(job, mail)


def _mail(job: Job, mail: Mail) -> Result:
    message = EmailMessage(
        subject=mail.subject,
        body=mail.body,
        to=[formataddr((mail.to_name, mail.to_address))],
        headers={"Message-ID": message_id(job.id), "Auto-Submitted": "auto-generated"},
    )
    outcome = send_mail(message, hand_over=lambda: hand_over(job), seconds=MAIL_SECONDS)
    # For admins to read, without the person.
    shown = mail.subject.replace(mail.to_name, "(recipient)") if mail.to_name else mail.subject
    attempt = {"subject": shown, "answer": outcome.reason, "code": outcome.code}
    if outcome.result == "done":
        return Result(EffectRun.DONE, attempt=attempt)
    if outcome.result == "stopped":
        # Its lease is over, and it was not sent: it comes again, as when the lease is taken back. Refused, it would be
        # lost where this is written first. What another worker holds by now stays as it is: that has its own token.
        return Result(EffectRun.DUE, attempt=attempt)
    if outcome.result == "unknown":
        return Result(EffectRun.UNKNOWN, "no_answer", attempt=attempt)
    if outcome.retry and job.attempts < MOST_MAIL_TRIES:
        return Result(EffectRun.DUE, "retry", next_try(job.attempts, now=timezone.now()), attempt)
    refused = "refused" if outcome.code is not None else NOT_SENT
    return Result(EffectRun.FAILED, GIVEN_UP if outcome.retry else refused, attempt=attempt)


def _endpoint_of(job: Job) -> UUID:
    return UUID(job.recipient.partition(":")[2])


def _send_webhook(job: Job, looked: Looked) -> Result:
    facts, destination = looked.facts, looked.destination
    if isinstance(facts, NothingToDeliver):
        raise facts
    if destination is None:
        return Result(EffectRun.CANCELLED, "endpoint_removed")
    body = orjson.dumps(webhook_body(facts)).decode()
    try:
        delivery = send_webhook(
            check_url(destination.url),
            message_id=str(job.id),
            body=body,
            secrets=destination.secrets,
            seconds=WEBHOOK_SECONDS,
        )
    except AddressRefused as refused:
        delivery = Delivery(outcome="refused", error=say_for_record(refused.message))
    return _judge(job, delivery, body, was_failing=destination.is_failing)


def _judge(job: Job, delivery: Delivery, body: str, *, was_failing: bool) -> Result:
    now = timezone.now()
    attempt: dict[str, Any] = {
        "request": orjson.loads(body),
        "status": delivery.status,
        "milliseconds": delivery.milliseconds,
        "response": delivery.response_excerpt,
        "error": delivery.error,
    }
    may_be_twice = delivery.maybe_twice or (delivery.outcome != "done" and delivery.may_have_arrived)
    if delivery.outcome == "done":
        if was_failing:
            with tenant_context(job.tenant.id):
                note_success(job.lane_id, tenant=job.tenant)
        return Result(EffectRun.DONE, attempt=attempt, may_be_twice=may_be_twice)
    with tenant_context(job.tenant.id):
        switched_off = note_failure(job, now=now, is_gone=delivery.outcome == "gone")
    if switched_off:
        return Result(EffectRun.FAILED, f"endpoint_{switched_off}", attempt=attempt, may_be_twice=may_be_twice)
    due_at = None
    if delivery.outcome == "retry":
        retry_after = delivery.retry_after_seconds
        due_at = next_try(job.attempts, now=now, retry_after=retry_after)
    if due_at is None:
        why = {"retry": GIVEN_UP, "refused": NOT_SENT}.get(delivery.outcome, delivery.outcome)
        return Result(EffectRun.FAILED, why, attempt=attempt, may_be_twice=may_be_twice)
    return Result(EffectRun.DUE, "retry", due_at, attempt, may_be_twice)


def webhook_body(facts: Facts) -> dict[str, Any]:
    """The message of Standard Webhooks: what happened, and the customer's version to put several in order."""
    job = facts.job
    return {
        "type": WEBHOOK_TYPE,
        "timestamp": as_text(job.changed_at),
        "data": {
            "effect": job.effect,
            "tenant": job.tenant.slug,
            "customer_id": str(job.customer_id),
            "external_id": facts.values["customer.external_id"],
            "name": facts.values["customer.name"],
            "from_stage": job.from_stage,
            "to_stage": job.to_stage,
            "reason_code": job.reason_code,
            "source": job.source,
            "changed_at": as_text(job.changed_at),
            "effective_at": as_text(job.effective_at),
            "sequence": job.sequence,
            "causationdepth": job.depth,
        },
    }


def message_id(effect_id: UUID) -> str:
    """The Message-ID of an effect's e-mail: the same, however often it is tried."""
    return f"<{effect_id}@{urlsplit(settings.SITE_URL).hostname}>"


def as_text(timestamp: dt.datetime) -> str:
    """A moment as messages write it."""
    return timestamp.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


_SENDERS: Final[Mapping[str, Callable[[Job], Result]]] = MappingProxyType(
    {
        "alert": _send_alert,
        ESCALATION: _send_alert,
        "email": _send_email,
        "event": _publish_event,
        digests.KIND: _send_digest,
        "forecast": _make_forecast,
    }
)
