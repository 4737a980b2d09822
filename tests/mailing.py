"""A real mail server (aiosmtpd) for tests, and mail as it arrives there."""

import contextlib
import email.policy
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from local.processes import find_free_port
from tenants.delivery.sender import send_next
from tenants.models import QueuedMail

# It says every line of every conversation.
logging.getLogger("mail.log").setLevel(logging.ERROR)

SITE = "https://c360.example.com"


class Mailbox:
    """What the server took. ``answer`` is what it says to a mail: 250, or a refusal."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.senders: list[str] = []
        self.answer = "250 OK"
        self.answer_to_recipient = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answer_to_recipient.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.answer_to_recipient

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            parsed = BytesParser(policy=email.policy.default).parsebytes(envelope.content)
            assert isinstance(parsed, EmailMessage)
            self.messages.append(parsed)
            self.senders.append(envelope.mail_from)
        return self.answer

    def deliver(self) -> None:
        """Have the product send all that waits."""
        while send_next():
            pass

    def to(self, address: str) -> list[EmailMessage]:
        """What came for an address."""
        return [message for message in self.messages if message["To"] == address]

    def about(self, address: str) -> list[EmailMessage]:
        """What came for an address, whatever name stands before it."""
        return [message for message in self.messages if address in str(message["To"])]

    def link_to(self, address: str) -> str:
        """The path of the one link in the one mail for an address."""
        (message,) = self.to(address)
        (link,) = re.findall(r"https?://\S+", message.get_content())
        assert link.startswith(SITE + "/"), link
        return str(link.removeprefix(SITE))


@pytest.fixture
def empty_queue(db: None) -> None:
    """No mail waits that other tests have left: it would be sent with that of this one."""
    QueuedMail.objects.all().delete()


@pytest.fixture
def mailbox(settings: Any, empty_queue: None) -> Iterator[Mailbox]:
    """A mail server, and an installation that sends to it."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=find_free_port(), ready_timeout=60)
    controller.start()
    settings.EMAIL_BACKEND = "tenants.delivery.smtp.BoundedEmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    # It answers as soon as it has a processor.
    settings.EMAIL_TIMEOUT = 20
    settings.SITE_URL = SITE
    try:
        yield box
    finally:
        controller.stop()


@pytest.fixture
def odd_mail_server(settings: Any, empty_queue: None) -> Iterator[Callable[[Callable[[socket.socket], None]], None]]:
    """``odd_mail_server(talk)``: an installation that sends to a server which does ``talk(connection)`` and no more."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections: list[socket.socket] = []

    def serve(talk: Callable[[socket.socket], None]) -> None:
        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_connections.append(connection)
                threading.Thread(target=_talk, args=(talk, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        settings.EMAIL_BACKEND = "tenants.delivery.smtp.BoundedEmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", listener.getsockname()[1]
        settings.SITE_URL = SITE

    yield serve
    for end in (listener, *open_connections):
        # Closed alone it would go on listening, or reading, for as long as a thread waits for what comes.
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _talk(talk: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side hangs up, as it should
        talk(connection)
