"""A tenant's webhook endpoints: made, tested, given new secrets, switched off and on. All of it is recorded."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from uuid_utils.compat import uuid7

from audit.services.administration import record_administration
from audit.services.message_encryption import decrypt_message, encrypt_message
from lifecycle.models import EffectLane, EffectRun, WebhookEndpoint, WebhookSecret
from lifecycle.rules.webhook_secrets import make_secret
from lifecycle.sentences import Refusal, say_for_record
from lifecycle.services.effects.addresses import check_url
from lifecycle.services.effects.admin_notices import notify_admins
from lifecycle.services.effects.queue import Job
from storage.cursors import fetch_prepared, plain_array
from tenants.actors import Actor, TenantRef, system_actor
from tenants.rules.messages import Message
from tenants.rules.values import read_line

# Who switches an endpoint off that has failed for too long.
ACTOR: Final = system_actor("effects_worker")
# Both secrets sign for so long, so that a receiver can be given the new one in time.
ROTATION: Final = dt.timedelta(hours=24)
# A rotation so soon after another one is the same wish, sent twice: no receiver has been given the new secret yet.
SENT_AGAIN: Final = dt.timedelta(seconds=30)
MOST_ENDPOINTS: Final = 50
LONGEST_NAME: Final = 80
GONE: Final = "gone"
FAILING: Final = "failing"
# Only failures, for five days; a second one at least 12 hours after the first, and within 24 of the one before.
SPREAD: Final = dt.timedelta(hours=12)
WINDOW: Final = dt.timedelta(hours=24)
PATIENCE: Final = dt.timedelta(days=5)
_EPOCH: Final = dt.datetime.fromtimestamp(0, dt.UTC)


class EndpointRefused(Refusal):
    """The endpoint was not made or changed; the message says why."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a webhook goes, and what signs it: the newest secret first. ``is_failing``: the last try there failed."""

    url: str
    secrets: tuple[str, ...]
    is_failing: bool = False


_DESTINATIONS: Final = """
SELECT e.id, e.url, l.is_ill, s.id, s.value
  FROM unnest(%(endpoint_ids)s::uuid[]) AS i(id)
  JOIN lifecycle_webhookendpoint e ON e.tenant_id = %(tenant_id)s::uuid AND e.id = i.id
  JOIN lifecycle_effectlane l ON l.tenant_id = e.tenant_id AND l.id = e.id
  LEFT JOIN lifecycle_webhooksecret s ON s.tenant_id = e.tenant_id AND s.endpoint_id = e.id
        AND (s.until IS NULL OR s.until > %(now)s::timestamptz)
 ORDER BY s.id DESC
"""


def create_endpoint(
    name: str, url: str, *, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint with a lane of its own; the endpoint, and its secret, which is shown this once.

    Its name is kept as a configuration keeps the names in ``to``: in another form no effect would ever find it. Raises
    EndpointRefused; InvalidValue for what is no name; AddressRefused for an address that webhooks may not go to.
    """
    name = read_line(name, LONGEST_NAME, required=True)
    check_url(url)
    if WebhookEndpoint.objects.filter(tenant_id=tenant.id).count() >= MOST_ENDPOINTS:
        raise EndpointRefused("too_many_endpoints", most=MOST_ENDPOINTS)
    endpoint_id = uuid7()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        tenant_id=tenant.id,
        name=name,
        url=url,
        created_at=now,
        created_by=actor.name,
    )
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
            EffectLane.objects.create(
                id=endpoint_id, tenant_id=tenant.id, name=f"endpoint:{endpoint_id}", served_at=_EPOCH
            )
    except IntegrityError as error:
        raise EndpointRefused("endpoint_exists") from error
    _record("create_webhook_endpoint", endpoint, tenant, actor, now)
    return endpoint, _give_secret(endpoint_id, tenant)


def rotate_secret(endpoint_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> str | None:
    """Give the endpoint a new secret, shown this once; the former one signs beside it for a day. None: no such one.

    Sent twice, the secret of the second time takes the place of that of the first: the former one stays.
    """
    endpoint = WebhookEndpoint.objects.select_for_update().filter(tenant_id=tenant.id, id=endpoint_id).first()
    if endpoint is None:
        return None
    secrets = _secrets(tenant, endpoint.id)
    if secrets.filter(until__gt=now + ROTATION - SENT_AGAIN).exists():
        secrets.filter(until=None).delete()
    else:
        # A message has two signatures at most: one that was to end soon ends now.
        secrets.exclude(until=None).delete()
        secrets.update(until=now + ROTATION)
    _record("rotate_webhook_secret", endpoint, tenant, actor, now)
    return _give_secret(endpoint.id, tenant)


def delete_endpoint(endpoint_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> bool:
    """Remove the endpoint; what still waits for it is cancelled. False: there is no such one."""
    endpoint = WebhookEndpoint.objects.select_for_update().filter(tenant_id=tenant.id, id=endpoint_id).first()
    if endpoint is None:
        return False
    waiting = EffectRun.objects.filter(
        tenant_id=tenant.id, lane_id=endpoint.id, state__in=(EffectRun.HELD, EffectRun.DUE)
    )
    waiting.update(state=EffectRun.CANCELLED, reason="endpoint_removed", finished_at=now)
    EffectLane.objects.filter(tenant_id=tenant.id, id=endpoint.id).update(
        disabled_at=now, disabled_reason="endpoint_removed"
    )
    _record("delete_webhook_endpoint", endpoint, tenant, actor, now)
    _secrets(tenant, endpoint.id).delete()
    endpoint.delete()
    return True


def list_endpoints(
    tenant: TenantRef, *, after: str = "", limit: int | None = None
) -> list[tuple[WebhookEndpoint, EffectLane | None]]:
    """The tenant's endpoints with their lanes, by name, behind the one of that name. Two statements."""
    found = list(WebhookEndpoint.objects.filter(tenant_id=tenant.id, name__gt=after).order_by("name")[:limit])
    lanes = EffectLane.objects.filter(tenant_id=tenant.id).in_bulk([endpoint.id for endpoint in found])
    return [(endpoint, lanes.get(endpoint.id)) for endpoint in found]


def count_endpoints(tenant: TenantRef) -> int:
    """How many endpoints the tenant has. One statement."""
    return WebhookEndpoint.objects.filter(tenant_id=tenant.id).count()


def read_destination(endpoint_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> Destination | None:
    """Where to send now, and the secrets that sign; None when the endpoint is gone. One statement."""
    return read_destinations([endpoint_id], tenant=tenant, now=now).get(endpoint_id)


def read_destinations(
    endpoint_ids: Collection[UUID], *, tenant: TenantRef, now: dt.datetime
) -> dict[UUID, Destination]:
    """Of several endpoints, without those that are gone. One statement."""
    given = {"tenant_id": tenant.id, "endpoint_ids": plain_array(endpoint_ids), "now": now}
    found: dict[UUID, Destination] = {}
    for endpoint_id, url, is_failing, secret_id, value in fetch_prepared(_DESTINATIONS, given, using="default"):
        known = found.get(endpoint_id) or Destination(url, (), is_failing)
        if secret_id:
            text = decrypt_message(bytes(value), tenant_id=tenant.id, row_id=secret_id).decode()
            known = replace(known, secrets=(*known.secrets, text))
        found[endpoint_id] = known
    return found


def note_success(lane_id: UUID, *, tenant: TenantRef) -> None:
    """The endpoint has answered. Writes only when it had failed before.

    By ``is_ill``, which outlives a resumption by a person: that begins the count of the failures again.
    """
    EffectLane.objects.filter(tenant_id=tenant.id, id=lane_id, is_ill=True).update(
        is_ill=False, failing_since=None, failed_again_at=None
    )


def note_failure(job: Job, *, now: dt.datetime, is_gone: bool = False) -> str | None:
    """The endpoint of a webhook has failed; why it was switched off, if it was: recorded, and its admins are notified.

    Call in the tenant's context, which is a transaction.
    """
    lane = EffectLane.objects.select_for_update().filter(tenant_id=job.tenant.id, id=job.lane_id, disabled_at=None)
    if (found := lane.first()) is None:
        return None
    _count_failure(found, now)
    if is_gone:
        found.disabled_at, found.disabled_reason = now, GONE
    elif found.failed_again_at is not None and now - found.failed_again_at >= PATIENCE:
        found.disabled_at, found.disabled_reason = now, FAILING
    found.save(update_fields=["is_ill", "failing_since", "failed_again_at", "disabled_at", "disabled_reason"])
    if found.disabled_at is not None:
        _report_switched_off(job, found.disabled_reason, now)
    return found.disabled_reason or None


def _count_failure(lane: EffectLane, now: dt.datetime) -> None:
    lane.is_ill = True
    if lane.failing_since is None:
        lane.failing_since = now
    elif lane.failed_again_at is None:
        if now - lane.failing_since > WINDOW:
            lane.failing_since = now
        elif now - lane.failing_since >= SPREAD:
            lane.failed_again_at = now


def _report_switched_off(job: Job, why: str, now: dt.datetime) -> None:
    endpoint = WebhookEndpoint.objects.filter(tenant_id=job.tenant.id, id=job.lane_id).first()
    if endpoint is None:
        return
    sentence = say_for_record(Message(f"switched_off_{why}", {"name": endpoint.name}))
    _record("switch_off_webhook_endpoint", endpoint, job.tenant, ACTOR, now, reason=sentence)
    notify_admins(sentence, job, now=now)


def _secrets(tenant: TenantRef, endpoint_id: UUID) -> QuerySet[WebhookSecret]:
    return WebhookSecret.objects.filter(tenant_id=tenant.id, endpoint_id=endpoint_id)


def _give_secret(endpoint_id: UUID, tenant: TenantRef) -> str:
    text, secret_id = make_secret(), uuid7()
    value = encrypt_message(text.encode(), tenant_id=tenant.id, row_id=secret_id)
    WebhookSecret.objects.create(id=secret_id, tenant_id=tenant.id, endpoint_id=endpoint_id, value=value)
    return text


def _record(
    action: str, endpoint: WebhookEndpoint, tenant: TenantRef, actor: Actor, now: dt.datetime, *, reason: str = ""
) -> None:
    record_administration(
        action,
        endpoint.id,
        tenant_id=tenant.id,
        actor=actor,
        reason=reason,
        detail={"name": endpoint.name, "url": endpoint.url},
        now=now,
    )
