"""Sends the mail that waits, in a thread beside the requests of a web process."""

import smtplib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import Error as DatabaseError
from django.db import connections
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from prometheus_client import Counter

from audit.services.administration import record_administration
from storage.servers import close_others, on_server, server_names
from tenants.actors import system_actor
from tenants.context import tenant_context, user_context
from tenants.models import QueuedMail, User
from tenants.services.accounts.invitations import invitation_path
from tenants.services.accounts.links import may_have_link
from tenants.services.accounts.mails import finish_mail, on_queued, put_off_mail, take_mail
from tenants.services.accounts.own_settings import in_settings_of
from tenants.services.accounts.password_resets import prepare_reset
from tenants.services.directory import find_user

log = structlog.get_logger(__name__)

# Mail that another process has queued, or did not come to send, is found within this time.
LOOK_SECONDS: Final = 15.0
# The request that has queued a mail is answered first: what is done about it must not show in how long that takes.
PAUSE_SECONDS: Final = 0.5

mails = Counter("customer360_mails_total", "Mails by outcome.", ["kind", "outcome"])


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says: to whom, the template, and where its link leads ('' for none). ``subject`` may name %(tenant)s,
    and is said in the language of who reads it.
    """

    user: User
    template: str
    subject: Promise
    path: str = ""


def send_next() -> bool:
    """Send the next mail that is due; False when there is none.

    One that fails is put off, or given up with a line in the log of administration when its time is over or the server
    refuses it for good.
    """
    mail = take_mail(now=timezone.now())
    if mail is None:
        return False
    letter = _LETTERS[mail.kind](mail)
    if letter is None:
        _finish(mail, "nothing to send")
        return True
    try:
        compose(letter, mail).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        _fail(mail, letter.user, error)
    else:
        _finish(mail, "sent")
    return True


def compose(letter: Letter, mail: QueuedMail) -> EmailMessage:
    """The mail as it is sent; its Message-ID is made of the id that it has here."""
    context = {
        "user": letter.user,
        "tenant": letter.user.tenant,
        "site": settings.SITE_URL,
        "link": f"{settings.SITE_URL}{letter.path}" if letter.path else "",
        "at": mail.created_at,
    }
    with in_settings_of(letter.user):
        subject = letter.subject % {"tenant": letter.user.tenant.name if letter.user.tenant else ""}
        body = render_to_string(f"mail/{letter.template}.txt", context)
    return EmailMessage(
        subject=str(subject),
        body=body,
        to=[letter.user.email],
        headers={
            "Message-ID": f"<{mail.id}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )


def start_sender() -> None:
    """Send mail in a thread of this process for as long as it lives; nothing where no mail can be sent."""
    if settings.EMAIL_HOST:
        wake = threading.Event()
        on_queued(wake.set)
        threading.Thread(target=_send_on, args=(wake,), name="mail", daemon=True).start()


def send_all() -> None:
    """Send what is due on every server. One that is away, or a mail that fails, holds up none of the other servers."""
    for name in server_names():
        try:
            with on_server(name):
                while send_next():
                    pass
        except DatabaseError as error:
            log.warning("mail waits for the database", server=name, error=str(error))
        except Exception as error:
            # One that cannot even be made comes again after its lease: the thread must live on.
            log.error("mail could not be made", exc_info=error)


def _send_on(wake: threading.Event) -> None:
    while True:
        try:
            send_all()
        finally:
            connections.close_all()
            close_others()
        wake.wait(LOOK_SECONDS)
        wake.clear()
        time.sleep(PAUSE_SECONDS)


def _invite(mail: QueuedMail) -> Letter | None:
    user = find_user(mail.user_id)
    if user is None or user.tenant is None or user.has_usable_password() or not (user.email and may_have_link(user)):
        return None
    return Letter(user, "invitation", _("Your invitation to %(tenant)s on Customer 360"), invitation_path(user))


def _reset(mail: QueuedMail) -> Letter | None:
    reset = prepare_reset(mail, now=timezone.now())
    return Letter(reset.user, "password_reset", _("Set a new password for Customer 360"), reset.path) if reset else None


def _tell_of_change(mail: QueuedMail) -> Letter | None:
    user = find_user(mail.user_id)
    if user is None or not user.email:
        return None
    return Letter(user, "password_changed", _("Your password for Customer 360 was changed"))


_LETTERS: Final[Mapping[str, Callable[[QueuedMail], Letter | None]]] = MappingProxyType(
    {QueuedMail.INVITATION: _invite, QueuedMail.RESET: _reset, QueuedMail.CHANGED: _tell_of_change}
)


def _finish(mail: QueuedMail, outcome: str) -> None:
    finish_mail(mail)
    mails.labels(kind=mail.kind, outcome=outcome).inc()


def _fail(mail: QueuedMail, user: User, error: Exception) -> None:
    why: dict[str, Any] = {"kind": mail.kind, "attempts": mail.attempts, "error": type(error).__name__}
    code = _code_of(error)
    if code:
        why["code"] = code
    if not _is_for_good(error) and put_off_mail(mail, now=timezone.now()):
        mails.labels(kind=mail.kind, outcome="put off").inc()
        log.warning("mail put off", mail=str(mail.id), **why)
        return
    log.error("mail given up", mail=str(mail.id), **why)
    context = tenant_context(user.tenant_id) if user.tenant_id else user_context(user.id)
    with context:
        record_administration(
            "give_up_mail",
            user.id,
            tenant_id=user.tenant_id,
            actor=system_actor("mail"),
            detail=why,
            now=timezone.now(),
        )
        _finish(mail, "given up")


def _is_for_good(error: Exception) -> bool:
    """Whether the server refuses this mail. Credentials and senders that it refuses are the operator's to correct."""
    return isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) and _code_of(error) >= 500


def _code_of(error: Exception) -> int:
    """The server's answer, such as 450 or 550; 0 without one."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return max((code for code, _ in error.recipients.values()), default=0)
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
