"""One mail to one person, at most once: the one that may send it again is asked before the server can have taken it.

SMTP knows no mail twice: what was handed over and not answered may have been taken. So the caller commits that it is
handing over just before the text is sent. What fails before the final dot was not sent; after it, only an answer tells.
"""

import re
import smtplib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.errors import MessageError
from email.utils import parseaddr
from typing import Any, Final, Literal

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.message import sanitize_address

from tenants.delivery.smtp import BoundedEmailBackend

# What the goodbye may take once it is known what became of the mail.
GOODBYE_SECONDS: Final = 0.5
REASON_CHARACTERS: Final = 300

_ADDRESS: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+")

MailResult = Literal["done", "not_sent", "unknown", "stopped"]


@dataclass(frozen=True, slots=True)
class MailOutcome:
    """What became of a mail.

    ``done``: the server has taken it. ``not_sent``: it has not, and ``retry`` says whether a later try may succeed.
    ``unknown``: its text was sent whole and no answer came; sending it again may be the second time. ``stopped``:
    ``hand_over`` said no, so it was not sent. ``code`` is the server's answer, ``reason`` has no address of a person.
    """

    result: MailResult
    retry: bool = False
    reason: str = ""
    code: int | None = None


def send_mail(message: EmailMessage, *, hand_over: Callable[[], bool], seconds: float) -> MailOutcome:
    """Send a mail to its one recipient over a connection of its own, within ``seconds`` of conversation.

    ``hand_over`` is called once, when the server has accepted the recipient: it commits durably that the mail is being
    handed over and returns True, or returns False and nothing is sent. What it raises is raised here, and nothing is
    sent. The mail is rendered before. Raises ValueError for several recipients, and for a mail whose caller gave it no
    Message-ID.
    """
    recipients = message.recipients()
    if len(recipients) != 1:
        raise ValueError(f"A mail goes to one recipient; this one has {len(recipients)}.")
    if not any(name.lower() == "message-id" for name in message.extra_headers):
        raise ValueError("The mail has no Message-ID: it is what a second copy would be recognized by.")
    if not settings.EMAIL_HOST:
        return MailOutcome("not_sent", retry=True, reason="No mail server is configured (EMAIL_URL).")
    try:
        rendered = _render(message, recipients[0])
    except (ValueError, MessageError, TypeError) as error:
        return MailOutcome("not_sent", reason=f"The mail cannot be written: {_clean(str(error))}")
    backend = _Conversation(rendered, hand_over=hand_over, seconds=seconds)
    try:
        backend.send_messages([message])
    except _HandOverFailed as failure:
        raise failure.error from None
    except smtplib.SMTPResponseException as error:
        # Greeting, hello, encryption, log-in: the operator's to correct, and not an error of this mail.
        backend.fail(_not_sent(error.smtp_code, error.smtp_error, retry=True))
    except (OSError, smtplib.SMTPException) as error:
        backend.fail(MailOutcome("not_sent", retry=True, reason=_describe(error)))
    return backend.outcome or MailOutcome("not_sent", retry=True, reason="The mail server could not be reached.")


class _HandOverFailed(Exception):
    """Carries what ``hand_over`` raised past what is caught of the conversation."""

    def __init__(self, error: Exception) -> None:
        self.error = error


@dataclass(frozen=True, slots=True)
class _Rendered:
    sender: str
    recipient: str
    text: bytes
    """With dots doubled, ending with a line break; the final dot is not part of it."""


class _Conversation(BoundedEmailBackend):
    """Django's connection (TLS, log-in) with a conversation of our own on it: MAIL, RCPT, hand over, DATA."""

    def __init__(self, rendered: _Rendered, *, hand_over: Callable[[], bool], seconds: float) -> None:
        # An answer is not waited for past the deadline, even where no socket is there yet for the watchdog to end.
        super().__init__(timeout=min(settings.EMAIL_TIMEOUT or seconds, seconds))
        self.deadline_seconds = seconds
        self.outcome: MailOutcome | None = None
        self._rendered = rendered
        self._hand_over = hand_over

    def fail(self, outcome: MailOutcome) -> None:
        """Note a failure, unless it is known already what became of the mail."""
        self.outcome = self.outcome or outcome

    def _send(self, email_message: Any) -> bool:
        client: Any = self.connection
        self.outcome = self._converse(client)
        if client.sock is not None:
            client.sock.settimeout(GOODBYE_SECONDS)
        return self.outcome.result == "done"

    def _converse(self, client: Any) -> MailOutcome:
        rendered = self._rendered
        client.ehlo_or_helo_if_needed()
        code, said = client.mail(rendered.sender)
        if not 200 <= code < 300:
            # It refuses the sender, which is the installation's.
            return _not_sent(code, said, retry=True)
        code, said = client.rcpt(rendered.recipient)
        if not 200 <= code < 300:
            return _not_sent(code, said, retry=code < 500)
        try:
            is_ours = self._hand_over()
        except Exception as error:
            raise _HandOverFailed(error) from error
        if not is_ours:
            return MailOutcome("stopped", reason="It is not to be sent any more, or by another worker.")
        code, said = client.docmd("DATA")
        if code != 354:
            return _not_sent(code, said, retry=code < 500)
        # The dot goes out by itself: that must not wait for the receipt of the text.
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(rendered.text)
        # A dot that the system does not take is one that the server has not got: still not sent.
        client.send(b".\r\n")
        try:
            code, said = client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            return MailOutcome("unknown", reason=f"The text was sent, and no answer came. {_describe(error)}")
        if 200 <= code < 300:
            return MailOutcome("done", reason=_clean_reply(said), code=code)
        if 400 <= code < 600:
            return _not_sent(code, said, retry=code < 500)
        return MailOutcome("unknown", reason="The text was sent, and the answer is not one of SMTP.", code=_code(code))


def _render(message: EmailMessage, recipient: str) -> _Rendered:
    encoding = message.encoding or settings.DEFAULT_CHARSET
    local_part, at, domain = parseaddr(recipient)[1].rpartition("@")
    if not (local_part and at and domain):
        raise ValueError("the recipient is no e-mail address.")
    if not local_part.isascii():
        raise ValueError("the address has letters before the @ that mail servers do not take.")
    text = message.message().as_bytes(linesep="\r\n")
    if not text.endswith(b"\r\n"):
        text += b"\r\n"
    return _Rendered(
        sender=sanitize_address(message.from_email, encoding),
        recipient=sanitize_address(recipient, encoding),
        text=re.sub(rb"(?m)^\.", b"..", text),
    )


def _not_sent(code: int, said: bytes | str, *, retry: bool) -> MailOutcome:
    if not 400 <= code < 600:
        return MailOutcome(
            "not_sent", retry=True, reason="The server does not answer as SMTP has it.", code=_code(code)
        )
    return MailOutcome("not_sent", retry=retry, reason=_clean_reply(said), code=code)


def _code(code: int) -> int | None:
    return code if code > 0 else None


def _clean_reply(said: bytes | str) -> str:
    return _clean(said.decode(errors="replace") if isinstance(said, bytes) else said)


def _clean(text: str) -> str:
    """Printable, short, and without people's addresses, which servers like to repeat."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return _ADDRESS.sub("(address)", " ".join(printable.split()))[:REASON_CHARACTERS]


def _describe(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "The mail server closed the connection, or did not answer in time."
    if isinstance(error, smtplib.SMTPException):
        return f"The mail server offers too little: {_clean(str(error))}"
    return f"The mail server could not be reached: {_clean(str(error))}"
