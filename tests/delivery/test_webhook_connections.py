"""Connections to endpoints are kept, shared and replaced."""

import socket
import threading

import pytest

from lifecycle.delivery import connections as connections_module
from lifecycle.delivery.connections import Connections
from lifecycle.services.effects.addresses import check_url
from tests.delivery.conftest import NAME
from tests.delivery.endpoints import OK, answering, status
from tests.delivery.sending import PATIENCE, send


def test_deliveries_to_one_endpoint_share_a_connection(endpoint):
    server = endpoint(
        OK, status(204), status(500, body=b"no"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    assert [send(server).status for _ in range(5)] == [200, 204, 500, 200, 200]
    assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize(
    "answer",
    [
        status(200, "Connection: close", body=b"ok"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        status(200, body=b"x" * 100_000),
    ],
    ids=["close", "HTTP/1.0", "not read to its end"],
)
def test_a_connection_that_cannot_be_used_again_is_closed(endpoint, answer):
    server = endpoint(answer)
    assert [send(server).outcome for _ in range(2)] == ["done", "done"]
    assert server.connections == 2


def test_what_a_kept_connection_lost_is_sent_once_more_and_marked(names, trusted, serve):
    def one_answer(server, connection):
        lines = connection.makefile("rb")
        server.read(lines)
        connection.sendall(OK)
        server.read(lines)  # and closes as the second request comes

    server = serve(one_answer, tls=trusted.context(NAME))
    first, second = send(server), send(server, message_id="msg_2")
    assert (first.outcome, first.maybe_twice) == ("done", False)
    assert (second.outcome, second.maybe_twice, second.may_have_arrived) == ("done", True, True)
    assert [request.headers["webhook-id"] for request in server.requests] == ["msg_1", "msg_2", "msg_2"]


def test_what_is_sent_once_more_fails_for_good_the_second_time(names, serve):
    def one_answer(server, connection):
        lines = connection.makefile("rb")
        server.read(lines)
        if len(server.requests) == 1:
            connection.sendall(OK)
            server.read(lines)

    server = serve(one_answer)
    assert send(server, scheme="http").outcome == "done"
    delivery = send(server, scheme="http")
    assert (delivery.outcome, delivery.maybe_twice, delivery.may_have_arrived) == ("retry", True, True)
    assert delivery.error == "The connection was closed before a response came."
    assert len(server.requests) == 3


def test_a_connection_that_was_closed_while_idle_is_replaced_without_a_mark(names, serve):
    is_closed = threading.Event()

    def one_answer(server, connection):
        server.read(connection.makefile("rb"))
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        is_closed.set()

    server = serve(one_answer)
    deliveries = []
    for _ in range(3):
        deliveries.append(send(server, scheme="http"))
        assert is_closed.wait(PATIENCE)
        is_closed.clear()
    assert [(delivery.outcome, delivery.maybe_twice) for delivery in deliveries] == [("done", False)] * 3
    assert len(server.requests) == 3


def test_a_new_connection_that_is_reset_is_not_tried_again(names, serve):
    def reset(server, connection):
        server.read(connection.makefile("rb"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    server = serve(reset)
    delivery = send(server, scheme="http")
    assert (delivery.outcome, delivery.maybe_twice, delivery.may_have_arrived) == ("retry", False, True)
    assert len(server.requests) == 1


def test_an_answer_that_was_begun_is_not_asked_for_again(names, serve):
    def half(server, connection):
        lines = connection.makefile("rb")
        server.read(lines)
        connection.sendall(OK)
        server.read(lines)
        connection.sendall(b"HTTP")

    server = serve(half)
    send(server, scheme="http")
    assert send(server, scheme="http").outcome == "retry"
    assert len(server.requests) == 2


def test_idle_connections_are_few_and_closed_after_a_while(names, serve, monkeypatch):
    monkeypatch.setattr(connections_module, "MOST_IDLE", 2)
    kept = Connections()
    servers = [serve(answering(OK)) for _ in range(3)]
    for server in servers:
        send(server, scheme="http", connections=kept)
    ends = [check_url(f"http://{NAME}:{server.port}/") for server in servers]
    assert kept.take_idle(ends[0]) is None, "the one that was idle longest"
    assert kept.close_idle(older_than=30) == 0
    assert kept.close_idle(older_than=0) == 2
    assert [kept.take_idle(end) for end in ends] == [None, None, None]
