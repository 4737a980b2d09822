"""A signed sample for those who build an endpoint: sent while they wait, to few at a time."""

import threading
from typing import Final

import orjson
from django.utils import timezone
from uuid_utils.compat import uuid7

from lifecycle.delivery.senders import as_text
from lifecycle.delivery.webhooks import Delivery, send_webhook
from lifecycle.sentences import Refusal
from lifecycle.services.effects.addresses import AddressRefused, check_url
from lifecycle.services.effects.endpoints import Destination
from tenants.actors import TenantRef

SAMPLE_TYPE: Final = "customer360.test"
# The person who presses the button waits for it.
SECONDS: Final = 8.0
# Of a process: threads and connections that wait for endpoints are missing elsewhere.
MOST_AT_ONCE: Final = 2

_room: Final = threading.BoundedSemaphore(MOST_AT_ONCE)


class TooManySamples(Refusal):
    """As many as may be are being sent; nothing was sent."""


def send_sample(destination: Destination, *, tenant: TenantRef) -> Delivery:
    """Send a signed sample and say what was answered; nothing is kept of it. Raises TooManySamples."""
    if not _room.acquire(blocking=False):
        raise TooManySamples("samples_are_being_sent")
    try:
        now = timezone.now()
        body = {"type": SAMPLE_TYPE, "timestamp": as_text(now), "data": {"tenant": tenant.slug, "sequence": 0}}
        return send_webhook(
            check_url(destination.url),
            message_id=str(uuid7()),
            body=orjson.dumps(body).decode(),
            secrets=destination.secrets,
            seconds=SECONDS,
        )
    except AddressRefused as refused:
        return Delivery(outcome="refused", error=str(refused))
    finally:
        _room.release()
