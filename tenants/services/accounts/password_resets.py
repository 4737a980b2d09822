"""A forgotten password: a link by e-mail, for half an hour and one use, and the same answer for everyone.

The request does the same for every name: it counts the attempt, looks the name up, and queues a mail to someone or to
no one. Whether there is anything to send is decided by the sender of mail, which no one can watch.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import structlog
from django.contrib.auth.password_validation import validate_password
from django.db import Error as DatabaseError
from django.utils.translation import gettext_lazy

from audit.models import AdministrationEntry
from audit.services.administration import record_administration
from tenants.actors import system_actor
from tenants.context import tenant_context, user_context
from tenants.models import QueuedMail, User
from tenants.services.accounts.links import LinkTokens, may_have_link
from tenants.services.accounts.login_guard import LoginsLimited, take_attempt
from tenants.services.accounts.mails import queue_mail
from tenants.services.accounts.own_account import replace_password
from tenants.services.directory import PLATFORM, find_login, find_user

log = structlog.get_logger(__name__)

LIFETIME: Final = dt.timedelta(minutes=30)
# Of one person in an hour, so that no one's mailbox is filled by others.
MOST_AN_HOUR: Final = 5
HOUR: Final = dt.timedelta(hours=1)
SENT: Final = "send_password_reset"
_tokens = LinkTokens("password_resets", lifetime=LIFETIME)


@dataclass(frozen=True, slots=True)
class Reset:
    """What a mail about a forgotten password says."""

    user: User
    path: str


class ResetsLimited(LoginsLimited):
    """Too many requests for a new password."""

    sentence = gettext_lazy("Too many requests for a new password: try again in %(seconds)s seconds.")


def request_reset(username: str, *, address: str, now: dt.datetime) -> None:
    """Have a link sent to the person of this name, if there is one who may have it. Raises ResetsLimited."""
    try:
        attempt = take_attempt(username=username, address=address, purpose="reset")
    except LoginsLimited as limited:
        raise ResetsLimited(limited.retry_after) from limited
    try:
        user = find_login(username)
        queue_mail(QueuedMail.RESET, user.id if user is not None else uuid4(), now=now)
    except DatabaseError:
        # Nothing was asked for.
        attempt.give_back()
        raise


def prepare_reset(mail: QueuedMail, *, now: dt.datetime) -> Reset | None:
    """What to send for a queued mail, recorded in the log of administration; None: nothing may be sent."""
    user = find_user(mail.user_id)
    if user is None or not user.email or not may_have_link(user):
        log.info("no password reset is sent", known=user is not None)
        return None
    sent = list(
        AdministrationEntry.objects.using(PLATFORM)
        .filter(tenant_id=user.tenant_id, action=SENT, subject=str(user.id), recorded_at__gt=now - HOUR)
        .values_list("detail__mail", flat=True)
    )
    if str(mail.id) not in sent:
        if len(sent) >= MOST_AN_HOUR:
            log.warning("too many password resets were asked for: none is sent", user_id=str(user.id))
            return None
        _record(user, mail, now=now)
    return Reset(user, reset_path(user))


def reset_path(user: User) -> str:
    """Where someone sets a new password. Valid for ``LIFETIME`` and once."""
    return _tokens.make_path("password-reset", user)


def find_resetting(uid: str, token: str) -> User | None:
    """The person of a link, if it is still valid."""
    return _tokens.find_user(uid, token)


def reset_password(user: User, password: str, *, now: dt.datetime) -> None:
    """Set a new password by a link, once; every session and token ends.

    Raises ValidationError when it is too weak, PersonChangeRefused when the link was used in the meantime.
    """
    validate_password(password, user)
    replace_password(user, password, action="reset_password", now=now)


def _record(user: User, mail: QueuedMail, *, now: dt.datetime) -> None:
    context = tenant_context(user.tenant_id) if user.tenant_id else user_context(user.id)
    with context:
        record_administration(
            SENT,
            user.id,
            tenant_id=user.tenant_id,
            actor=system_actor("password_reset"),
            detail={"mail": str(mail.id)},
            now=now,
        )
