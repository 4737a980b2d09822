"""Django's SMTP backend with an end: a server that says nothing, or one letter every few seconds, holds no one up."""

import smtplib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

# Of a connection with all that is said on it. A single answer is waited for EMAIL_TIMEOUT seconds.
DEADLINE_SECONDS: Final = 20.0
# After the deadline the connection is ended this often: its socket may not be there yet, or just be replaced by an
# encrypted one.
AGAIN_SECONDS: Final = 0.05
# Of one answer.
MOST_LINES: Final = 100
LONGEST_LINE: Final = 8192


class _Watched:
    """A client that is known before the server has greeted; Django knows its own only when it has logged in."""

    on_connect: Callable[[Any], None]
    file: Any
    sock: Any
    close: Callable[[], None]

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib's, but an answer that was cut off is none: a "2" and the end would be read as success."""
        said = []
        try:
            if self.file is None:
                self.file = self.sock.makefile("rb")
            for _ in range(MOST_LINES):
                line = self.file.readline(LONGEST_LINE + 1)
                if not line.endswith(b"\n"):
                    break
                said.append(line[4:].strip())
                if not line[:3].isdigit():
                    return -1, said[-1]
                if line[3:4] != b"-":
                    return int(line[:3]), b"\n".join(said)
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected(f"Connection unexpectedly closed: {error}") from error
        self.close()
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    def _get_socket(self, *args: Any) -> socket.socket:
        # The place that smtplib itself has for this: SMTP_SSL makes its socket here as well.
        self.on_connect(self)
        made: socket.socket = super()._get_socket(*args)  # type: ignore[misc]
        return made


class BoundedEmailBackend(EmailBackend):
    """Sends within DEADLINE_SECONDS or raises OSError or SMTPException: then it may have arrived all the same."""

    _client: Any = None
    # Of one that is bounded otherwise than all others.
    deadline_seconds: float | None = None

    @property
    def connection_class(self) -> Any:
        """Django's choice of a client, watched."""
        client = super().connection_class  # type: ignore[misc]
        return type("Client", (_Watched, client), {"on_connect": staticmethod(self._note_client)})

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """As Django does, on one connection, within the deadline."""
        done = threading.Event()
        threading.Thread(target=self._end_in_time, args=(done,), name="mail-deadline", daemon=True).start()
        try:
            return super().send_messages(email_messages) or 0
        finally:
            done.set()

    def close(self) -> None:
        """Say goodbye. What was sent is sent, whether or not the server answers that."""
        try:
            super().close()
        except (OSError, smtplib.SMTPException):
            self._end()
        self.connection = self._partial_connection = None

    def _note_client(self, client: Any) -> None:
        self._client = client

    def _end_in_time(self, done: threading.Event) -> None:
        seconds = DEADLINE_SECONDS if self.deadline_seconds is None else self.deadline_seconds
        while not done.wait(seconds):
            self._end()
            seconds = AGAIN_SECONDS

    def _end(self) -> None:
        # Encryption replaces the socket, so it is looked up when it is to be ended.
        open_socket = getattr(self._client, "sock", None)
        try:
            if open_socket is not None:
                open_socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself
