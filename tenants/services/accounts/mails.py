"""Mail that waits to be sent: written with what it is about, taken by one sender at a time.

No request waits for a mail server. What is queued is committed with the change that it is about, and survives a sender
that is killed: the next one takes it when its time comes again. So a mail may come twice, and none is forgotten before
its ``LIFETIMES`` are over.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from tenants.models import QueuedMail

# For how long it is tried; afterwards it would come too late.
LIFETIMES: Final[Mapping[str, dt.timedelta]] = MappingProxyType(
    {
        QueuedMail.INVITATION: dt.timedelta(days=1),
        QueuedMail.RESET: dt.timedelta(minutes=30),
        QueuedMail.CHANGED: dt.timedelta(days=1),
    }
)
# Longer than a delivery may take (tenants.delivery.smtp), or two would deliver the same.
LEASE: Final = dt.timedelta(seconds=60)
# After the first failure, the second, and so on; then every hour.
PAUSES: Final = tuple(dt.timedelta(seconds=seconds) for seconds in (15, 60, 300, 900, 3600))

_listeners: list[Callable[[], None]] = []


def is_mail_configured() -> bool:
    """Whether this installation can send mail (EMAIL_URL)."""
    return bool(settings.EMAIL_HOST)


def queue_mail(kind: str, user_id: UUID, *, now: dt.datetime) -> None:
    """Have a mail sent once the transaction is committed. One statement; nothing where no mail can be sent."""
    if not is_mail_configured():
        return
    QueuedMail.objects.create(kind=kind, user_id=user_id, created_at=now, due_at=now)
    transaction.on_commit(_tell_listeners, robust=True)


def on_queued(listener: Callable[[], None]) -> None:
    """Have ``listener`` called after each commit of this process that has queued a mail."""
    _listeners.append(listener)


def take_mail(*, now: dt.datetime) -> QueuedMail | None:
    """The next mail that is due, for ``LEASE``; None when there is none. Two senders never get the same."""
    with transaction.atomic():
        mail = QueuedMail.objects.select_for_update(skip_locked=True).filter(due_at__lte=now).order_by("due_at").first()
        if mail is not None:
            mail.attempts += 1
            mail.due_at = now + LEASE
            mail.save(update_fields=["attempts", "due_at"])
    return mail


def finish_mail(mail: QueuedMail) -> None:
    """Forget a mail that was sent, or that there is nothing to send for."""
    QueuedMail.objects.filter(id=mail.id).delete()


def put_off_mail(mail: QueuedMail, *, now: dt.datetime) -> bool:
    """Try a mail again later; False when its time is over: the caller says so and finishes it."""
    due_at = now + PAUSES[min(mail.attempts, len(PAUSES)) - 1]
    if due_at > mail.created_at + LIFETIMES[mail.kind]:
        return False
    QueuedMail.objects.filter(id=mail.id).update(due_at=due_at)
    return True


def _tell_listeners() -> None:
    for listener in _listeners:
        listener()
