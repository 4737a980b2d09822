"""What the demo's mail server took, to be read; in development only."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

MOST: Final = 50
_LINK: Final = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Received:
    """One mail. ``parts`` are its text, cut at its links: a text, and the link after it, '' at the end."""

    to: str
    subject: str
    sent: str
    parts: tuple[tuple[str, str], ...]


@never_cache
@require_safe
def show_mail(request: HttpRequest) -> HttpResponse:
    """The last mails, newest first. Raises Http404 outside of development."""
    if not settings.DEBUG:
        raise Http404
    files = sorted(Path(settings.DEMO_MAIL).glob("*.eml"), reverse=True)[:MOST]
    return render(request, "demo_mail.html", {"mails": [_read(file) for file in files], "most": MOST})


def _read(file: Path) -> Received:
    # The policy decides the class, which the type of the function does not know.
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101
    body = message.get_body(("plain",))
    text = body.get_content() if body is not None else "(no text)"
    return Received(
        to=str(message["To"]), subject=str(message["Subject"]), sent=str(message["Date"]), parts=tuple(_cut(text))
    )


def _cut(text: str) -> list[tuple[str, str]]:
    links = [*_LINK.findall(text), ""]
    return list(zip(_LINK.split(text), links, strict=True))
