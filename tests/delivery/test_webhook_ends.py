"""A delivery ends at its deadline, whatever the server does, and with a sentence."""

import logging
import select
import socket
import threading
import time

import pytest
from urllib3.connection import HTTPConnection

from lifecycle.delivery import bounds
from lifecycle.delivery.webhooks import send_webhook
from lifecycle.services.effects.addresses import check_url
from tests.delivery.conftest import NAME, SECRET
from tests.delivery.endpoints import answering
from tests.delivery.sending import PATIENCE, send

MANY_PIECES = 2_000


def drip(head, piece, pause=0.03):
    """Read a request, and answer it piece by piece, for as long as the other side listens."""

    def talk(server, connection):
        server.read(connection.makefile("rb"))
        connection.sendall(head)
        server.is_asked.set()
        while server.pieces < MANY_PIECES:
            connection.sendall(piece)
            server.pieces += 1
            time.sleep(pause)

    return talk


DRIPS = {
    "status line": (drip(b"", b"H"), "retry"),
    "header": (drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"), "retry"),
    "headers": (drip(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n", pause=0.05), "retry"),
    "endless 100 Continue": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "retry"),
    "body": (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"), "done"),
    "chunks": (drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "done"),
    "body of a failure": (drip(b"HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n", b"x"), "retry"),
}


@pytest.mark.parametrize("encrypted", [True, False], ids=["https", "http"])
@pytest.mark.parametrize(("talk", "outcome"), DRIPS.values(), ids=DRIPS)
def test_a_server_that_drips_is_left_at_the_deadline(names, trusted, serve, clock, talk, outcome, encrypted):
    server = serve(talk, tls=trusted.context(NAME) if encrypted else None)
    # The deadline comes nearer with each look at what is left of the time, once the response has begun.
    clock.steps(PATIENCE / 10, once=server.is_asked)
    delivery = send(server, scheme="https" if encrypted else "http", seconds=PATIENCE)
    assert (delivery.outcome, delivery.may_have_arrived) == (outcome, True)
    assert (
        delivery.error == {"done": "", "retry": "There was no response within 60 s."}[outcome] or delivery.status == 500
    )
    assert server.pieces < MANY_PIECES


@pytest.mark.parametrize("encrypted", [True, False], ids=["https", "http"])
def test_a_server_that_says_nothing_is_left_at_the_deadline(names, trusted, serve, clock, monkeypatch, encrypted):
    """However long a busy machine takes to connect and to send, two seconds are left when the response is awaited."""
    ended, get_response = threading.Event(), HTTPConnection.getresponse

    def get_response_soon(connection):
        clock.move(PATIENCE - 2.0)
        return get_response(connection)

    monkeypatch.setattr(HTTPConnection, "getresponse", get_response_soon)

    def silent(server, connection):
        server.read(connection.makefile("rb"))
        ended.wait(PATIENCE)

    server = serve(silent, tls=trusted.context(NAME) if encrypted else None)
    began = time.monotonic()
    try:
        delivery = send(server, scheme="https" if encrypted else "http", seconds=PATIENCE)
        assert 2.0 <= time.monotonic() - began < PATIENCE
    finally:
        ended.set()
    assert (delivery.outcome, delivery.may_have_arrived) == ("retry", True)
    assert delivery.error == "There was no response within 60 s."


def test_a_handshake_that_drips_is_left_at_the_deadline(names, trusted, serve):
    def talk(server, connection):
        connection.recv(1000)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a record of 16 KiB, and its first bytes
        while server.pieces < MANY_PIECES:
            connection.sendall(b"x")
            server.pieces += 1
            time.sleep(0.03)

    server = serve(talk)
    began = time.monotonic()
    delivery = send(server, seconds=0.5)
    assert time.monotonic() - began >= 0.5
    assert (delivery.outcome, delivery.error) == ("retry", "No connection could be made in time.")
    assert delivery.may_have_arrived is False
    assert server.pieces < MANY_PIECES


def test_a_server_that_takes_no_connection_is_left_at_the_deadline(names, monkeypatch):
    monkeypatch.setattr(bounds, "CONNECT_SECONDS", PATIENCE)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        # Whichever of them is taken, the queue is full then, and no one takes it away.
        assert select.select([], fillers, [], PATIENCE)[1]
        began = time.monotonic()
        endpoint = check_url(f"http://{NAME}:{port}/")
        delivery = send_webhook(endpoint, message_id="m", body="{}", secrets=[SECRET], seconds=0.4)
        took = time.monotonic() - began
        for filler in fillers:
            filler.close()
    assert 0.4 <= took < PATIENCE
    assert (delivery.outcome, delivery.error) == ("retry", "No connection could be made in time.")


@pytest.mark.parametrize(
    "piece",
    [b"HTTP/1.1 100 Continue\r\n\r\n" * 100, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 60_000 + b"\r\n"],
    ids=["100", "headers"],
)
def test_a_server_that_floods_is_left_before_the_deadline(names, serve, clock, piece):
    server = serve(drip(b"", piece, pause=0))
    delivery = send(server, scheme="http")
    assert clock.monotonic() == 0, "it has stood still: no deadline has come"
    assert (delivery.outcome, delivery.error) == ("retry", "The response does not end.")


def test_of_an_endless_body_64_kib_are_read(names, serve, clock):
    server = serve(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", b"x" * 100_000, pause=0))
    delivery = send(server, scheme="http")
    assert clock.monotonic() == 0, "it has stood still: no deadline has come"
    assert (delivery.outcome, delivery.response_excerpt) == ("done", "x" * 500)
    assert server.pieces < MANY_PIECES


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "The response is not valid HTTP."),
        (b"HTTP/1.1 abc OK\r\n\r\n", "The response is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n", "The response is not valid HTTP."),
        (b"\x00" * 100 + b"\r\n\r\n", "The response is not valid HTTP."),
        (b"", "The connection was closed before a response came."),
    ],
)
def test_what_is_no_http_is_a_failure_with_a_sentence(names, serve, answer, sentence):
    def talk(server, connection):
        server.read(connection.makefile("rb"))
        connection.sendall(answer)

    delivery = send(serve(talk), scheme="http")
    assert (delivery.outcome, delivery.error, delivery.may_have_arrived) == ("retry", sentence, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["short", "two lengths", "no chunk"],
)
def test_an_answer_counts_however_its_body_ends(names, serve, answer):
    def talk(server, connection):
        server.read(connection.makefile("rb"))
        connection.sendall(answer)

    server = serve(talk)
    assert send(server, scheme="http").status in (200, None)
    assert len(server.requests) == 1


def test_the_path_of_an_endpoint_is_in_no_error_and_no_log(names, serve, caplog):
    caplog.set_level(logging.INFO)
    server = serve(answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n: invalid header\r\n\r\n"))
    delivery = send(server, scheme="http", path="/services/T000/token-of-the-tenant")
    assert "token-of-the-tenant" not in caplog.text + repr(delivery)
