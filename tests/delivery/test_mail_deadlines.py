"""A mail server that hangs or drips is left at the deadline."""

import ssl
import threading
import time

import pytest
from aiosmtpd.controller import Controller

from local.processes import find_free_port
from tenants.delivery.smtp import BoundedEmailBackend
from tests.delivery.endpoints import Authority
from tests.delivery.handing_over import PATIENCE, send
from tests.mailing import Mailbox


class Deadline:
    """The deadline of the next conversation, which comes soon after the server has hung, however long it took to."""

    def __init__(self, monkeypatch, settings):
        # A single answer is waited for longer than the server needs for it on a busy machine: the deadline ends it.
        settings.EMAIL_TIMEOUT = PATIENCE
        self.hangs = threading.Event()
        end_in_time = BoundedEmailBackend._end_in_time

        def end_soon_after(backend, done):
            self.hangs.wait(PATIENCE)
            backend.deadline_seconds = 0.2
            end_in_time(backend, done)

        monkeypatch.setattr(BoundedEmailBackend, "_end_in_time", end_soon_after)


@pytest.fixture
def deadline(monkeypatch, settings):
    return Deadline(monkeypatch, settings)


def conversation(hangs_at, *, drips, hangs):
    """A server that takes part in SMTP up to a word, and then hangs or drips an answer that never ends."""

    def stop(connection):
        hangs.set()
        while drips:
            connection.sendall(b"250-x\r\n" if drips == "lines" else b"2")
            time.sleep(0.03)
        while connection.recv(1000):
            pass
        raise ConnectionAbortedError("it has left, and no thread is to outlive the test")

    def talk(connection):
        lines = connection.makefile("rb")
        if hangs_at == "GREETING":
            stop(connection)
        connection.sendall(b"220 here\r\n")
        while line := lines.readline():
            word = line[:4].upper().decode()
            if word == hangs_at:
                stop(connection)
            connection.sendall(b"354 go on\r\n" if word == "DATA" else b"250 fine\r\n")
            if word == "DATA":
                while lines.readline() != b".\r\n":
                    pass
                if hangs_at == "DOT":
                    stop(connection)
                connection.sendall(b"250 taken\r\n")

    return talk


@pytest.mark.parametrize("drips", ["", "letters", "lines"], ids=["silent", "letters", "lines"])
@pytest.mark.parametrize(
    ("hangs_at", "result", "handed_over"),
    [
        ("GREETING", "not_sent", 0),
        ("EHLO", "not_sent", 0),
        ("MAIL", "not_sent", 0),
        ("RCPT", "not_sent", 0),
        ("DATA", "not_sent", 1),
        ("DOT", "unknown", 1),
        ("QUIT", "done", 1),
    ],
)
def test_a_server_that_hangs_or_drips_is_left_at_the_deadline(
    odd_mail_server, hand_over, deadline, hangs_at, result, handed_over, drips
):
    odd_mail_server(conversation(hangs_at, drips=drips, hangs=deadline.hangs))
    began = time.monotonic()
    outcome = send(hand_over)
    assert time.monotonic() - began < PATIENCE / 2
    assert (outcome.result, hand_over.calls) == (result, handed_over)
    assert outcome.retry is (result == "not_sent")


def test_a_deadline_that_passes_while_the_connection_is_encrypted_holds_all_the_same(
    odd_mail_server, settings, monkeypatch, tmp_path, hand_over, deadline
):
    """The watchdog knows the socket from before; that one is replaced."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = authority.context("localhost")
    is_ended = threading.Event()

    def talk(connection):
        lines = connection.makefile("rb", buffering=0)
        connection.sendall(b"220 here\r\n")
        lines.readline()
        connection.sendall(b"250-here\r\n250 STARTTLS\r\n")
        lines.readline()
        connection.sendall(b"220 go on\r\n")
        deadline.hangs.set()
        time.sleep(0.3)  # the deadline passes within the handshake
        encrypted = context.wrap_socket(connection, server_side=True)
        encrypted.recv(1000)
        try:
            while True:
                encrypted.sendall(b"2")
                time.sleep(0.05)
        except OSError:
            is_ended.set()

    odd_mail_server(talk)
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS = "localhost", True
    began = time.monotonic()
    outcome = send(hand_over)
    assert time.monotonic() - began < PATIENCE / 2
    assert (outcome.result, outcome.retry, hand_over.calls) == ("not_sent", True, 0)


@pytest.mark.parametrize("trusted", [True, False])
def test_an_encrypted_server_gets_mail_if_it_proves_who_it_is(settings, monkeypatch, tmp_path, hand_over, trusted):
    authority = Authority(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    box = Mailbox()
    context: ssl.SSLContext = authority.context("localhost")
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=find_free_port(),
        ready_timeout=60,
        tls_context=context,
        require_starttls=True,
    )
    controller.start()
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "localhost", controller.port, True
    # It answers as soon as it has a processor.
    settings.EMAIL_TIMEOUT = 20
    try:
        outcome = send(hand_over)
    finally:
        controller.stop()
    assert (outcome.result, len(box.messages)) == (("done", 1) if trusted else ("not_sent", 0))
