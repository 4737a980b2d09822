"""A webhook is signed, goes where it was judged to go, and what became of it is said as it is."""

import datetime as dt
import json
import logging
import socket
import threading
import time
import zoneinfo

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from lifecycle.delivery import bounds
from lifecycle.delivery import connections as connections_module
from lifecycle.delivery.connections import Connections
from lifecycle.delivery.webhooks import LARGEST_BODY, send_webhook, sign
from lifecycle.rules.webhook_secrets import make_secret, read_secret
from lifecycle.services.effects.addresses import check_url
from tests.delivery.conftest import NAME, SECRET
from tests.delivery.endpoints import DAY, OK, Authority, answering, status

BODY = json.dumps({"type": "lifecycle.updated", "data": {"name": "Café Ünal ☕"}}, ensure_ascii=False)


# Longer than a busy machine needs for anything. Anyone who does not leave in time waits as long, or takes so much.
PATIENCE = 60.0
MANY_PIECES = 2_000


def send(server, *, path="/hooks", scheme="https", name=NAME, seconds=30.0, **options):
    endpoint = check_url(f"{scheme}://{name}:{server.port}{path}")
    return send_webhook(
        endpoint, **{"message_id": "msg_1", "body": BODY, "secrets": [SECRET], **options}, seconds=seconds
    )


@pytest.fixture
def endpoint(names, trusted, serve):
    """``endpoint(answer, ...)``: a TLS server for hooks.example.com."""
    context = trusted.context(NAME)
    return lambda *answers: serve(answering(*answers), tls=context)


def test_a_webhook_arrives_signed_at_the_name_it_was_sent_to(endpoint):
    server = endpoint(OK)
    delivery = send(server, path="/hooks?a=b")
    assert (delivery.outcome, delivery.status, delivery.response_excerpt, delivery.error) == ("done", 200, "ok", "")
    assert (delivery.maybe_twice, delivery.may_have_arrived, delivery.retry_after_seconds) == (False, True, None)
    assert 0 <= delivery.milliseconds < 30_000
    (request,) = server.requests
    assert request.line == "POST /hooks?a=b HTTP/1.1"
    assert request.headers["host"] == f"{NAME}:{server.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_1"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 10
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)


def test_both_secrets_are_good_while_one_is_replaced(endpoint):
    server, new = endpoint(OK), make_secret()
    send(server, secrets=[new, SECRET])
    (request,) = server.requests
    for secret in (new, SECRET):
        Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(request.body, request.headers)


def test_a_signature_is_that_of_the_moment_in_any_time_zone():
    at = dt.datetime.now(zoneinfo.ZoneInfo("Asia/Kolkata"))
    headers = sign([SECRET], "msg_1", at, BODY)
    assert headers["webhook-timestamp"] == str(int(at.timestamp()))
    Webhook(SECRET).verify(BODY, headers)


def test_the_signature_is_that_of_the_specification():
    """The example of the specification's own text."""
    headers = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        dt.datetime.fromtimestamp(1614265330, dt.UTC),
        '{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("secrets", "message_id", "at"),
    [
        ([], "msg_1", dt.datetime.now(dt.UTC)),
        ([SECRET], "msg.1", dt.datetime.now(dt.UTC)),
        ([SECRET], "msg 1", dt.datetime.now(dt.UTC)),
        ([SECRET], "msg\r\nX: y", dt.datetime.now(dt.UTC)),
        ([SECRET], "", dt.datetime.now(dt.UTC)),
        ([SECRET], "msg_1", dt.datetime(2026, 11, 26)),  # noqa: DTZ001
        (["whsec_short"], "msg_1", dt.datetime.now(dt.UTC)),
        (["whsec_" + "é" * 40], "msg_1", dt.datetime.now(dt.UTC)),
        ([SECRET.removeprefix("whsec_")], "msg_1", dt.datetime.now(dt.UTC)),
        ([SECRET, ""], "msg_1", dt.datetime.now(dt.UTC)),
    ],
)
def test_what_cannot_be_signed_is_refused(secrets, message_id, at):
    with pytest.raises(ValueError, match=r"\.$"):
        sign(secrets, message_id, at, BODY)


def test_a_new_secret_is_a_secret_and_no_other():
    made = {make_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(read_secret(secret)) for secret in made} == {32}


@pytest.mark.parametrize(
    ("body", "secrets", "sentence"),
    [
        ("x" * (LARGEST_BODY + 1), [SECRET], "The body has 20,001 bytes; 20,000 is the most."),
        ("é" * LARGEST_BODY, [SECRET], "The body has 40,000 bytes; 20,000 is the most."),
        ("\ud800", [SECRET], "The body is not UTF-8."),
        ("{}", [], "There is no signing secret."),
        ("{}", ["whsec_!"], "A signing secret is whsec_ and base64."),
    ],
)
def test_what_can_never_be_sent_is_refused_and_nothing_leaves(endpoint, body, secrets, sentence):
    server = endpoint(OK)
    delivery = send(server, body=body, secrets=secrets)
    assert (delivery.outcome, delivery.error, delivery.may_have_arrived) == ("refused", sentence, False)
    assert (server.connections, server.requests) == (0, [])


def test_the_largest_body_arrives(endpoint):
    server = endpoint(OK)
    assert send(server, body="x" * LARGEST_BODY).outcome == "done"
    assert len(server.requests[0].body) == LARGEST_BODY


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        *((code, "done") for code in (200, 201, 202, 204, 299)),
        (410, "gone"),
        *((code, "retry") for code in (300, 304, 400, 401, 404, 409, 422, 429, 500, 502, 503, 599, 999)),
    ],
)
def test_an_answer_means_what_its_status_says(endpoint, code, outcome):
    delivery = send(endpoint(status(code)))
    assert (delivery.outcome, delivery.status) == (outcome, code)
    assert (delivery.error == "") is (outcome == "done")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(endpoint, serve, code):
    elsewhere = serve(answering(OK))
    delivery = send(endpoint(status(code, f"Location: http://127.0.0.1:{elsewhere.port}/")))
    assert (delivery.outcome, delivery.status) == ("retry", code)
    assert delivery.error == f"Answered {code}; redirects are not followed."
    assert elsewhere.connections == 0


@pytest.mark.parametrize(("header", "seconds"), [("30", 30.0), ("soon", None), ("999999999999", 86_400.0)])
def test_an_endpoint_says_when_to_come_again(endpoint, header, seconds):
    delivery = send(endpoint(status(429, f"Retry-After: {header}")))
    assert (delivery.outcome, delivery.retry_after_seconds) == ("retry", seconds)


def test_what_is_shown_of_a_response_is_printable_short_and_holds_no_secret(endpoint):
    text = f"no\x00\x1b[31m\r\n\u202eway: {SECRET} ada@example.com v1,{'A' * 43}= {'x' * 1000}"
    delivery = send(endpoint(status(500, body=text.encode())))
    assert delivery.response_excerpt.startswith("no [31m way: (removed) (removed) (removed) xxx")
    assert len(delivery.response_excerpt) == 500
    assert delivery.response_excerpt.isprintable()
    assert send(endpoint(status(500, "Content-Encoding: gzip", body=b"\x1f\x8b"))).response_excerpt == "(compressed)"


def test_a_server_that_is_not_the_name_it_is_called_by_gets_nothing(names, trusted, serve):
    server = serve(answering(OK), tls=trusted.context("other.example.com"))
    delivery = send(server)
    assert (delivery.outcome, delivery.may_have_arrived, server.requests) == ("retry", False, [])
    assert delivery.error.startswith("The certificate of hooks.example.com was not accepted: Hostname mismatch")


def test_a_certificate_that_is_over_or_vouched_for_by_no_one_is_not_accepted(names, trusted, serve, tmp_path):
    for context in (trusted.context(NAME, age=3 * DAY), Authority(tmp_path, "Other CA").context(NAME)):
        server = serve(answering(OK), tls=context)
        delivery = send(server)
        assert (delivery.outcome, delivery.may_have_arrived, server.requests) == ("retry", False, [])
        assert "was not accepted" in delivery.error


def test_nothing_is_taken_from_the_environment(endpoint, serve, monkeypatch):
    proxy = serve(answering(OK))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert send(endpoint(OK)).outcome == "done"
    assert proxy.connections == 0


def test_plain_http_goes_to_allowed_networks_alone(names, serve, settings):
    server = serve(answering(OK))
    assert send(server, scheme="http").outcome == "done"
    settings.WEBHOOK_ALLOWED_NETWORKS = ()
    assert send_webhook(check_url(f"https://{NAME}/"), message_id="m", body="{}", secrets=[SECRET]).outcome == "refused"


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_that_answers_differently_the_second_time_is_not_connected_to_by_its_second_answer(
    endpoint, names, monkeypatch
):
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    names.answers[NAME] = lambda: next(answers)
    server = endpoint(status(200, "Connection: close"))
    assert [send(server).outcome for _ in range(3)] == ["done"] * 3
    assert (names.asked, server.connections) == ([NAME], 3), "asked once, and connected to what was judged"
    monkeypatch.setattr(connections_module, "RESOLVED_SECONDS", 0.0)
    delivery = send(server)
    assert (delivery.outcome, delivery.may_have_arrived) == ("refused", False)
    assert delivery.error == f"{NAME} is not on the public Internet; webhooks go to public addresses only."
    assert (names.asked, len(server.requests)) == ([NAME, NAME], 3)


def test_a_name_with_one_private_address_among_public_ones_gets_nothing(endpoint, names):
    names.answers[NAME] = ["127.0.0.1", "10.0.0.1"]
    server = endpoint(OK)
    assert send(server).outcome == "refused"
    assert server.connections == 0


def test_the_next_address_of_a_name_is_tried(endpoint, names, settings):
    from ipaddress import ip_network

    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/30"),)
    names.answers[NAME] = ["127.0.0.2", "127.0.0.1"]
    assert send(endpoint(OK)).outcome == "done"


def test_an_endpoint_that_has_moved_is_found_at_once(endpoint, names, settings):
    from ipaddress import ip_network

    settings.WEBHOOK_ALLOWED_NETWORKS = (ip_network("127.0.0.0/30"),)
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    names.answers[NAME] = lambda: next(answers)
    server = endpoint(OK)
    first = send(server)
    assert (first.outcome, first.error, first.may_have_arrived) == ("retry", "The connection was refused.", False)
    assert send(server).outcome == "done"


def test_a_name_without_an_address_is_tried_again_later(names):
    delivery = send_webhook(check_url("https://gone.example.com/"), message_id="m", body="{}", secrets=[SECRET])
    assert (delivery.outcome, delivery.may_have_arrived) == ("retry", False)
    assert delivery.error == "The name gone.example.com has no address: Name or service not known."


def test_a_silent_name_server_does_not_outlast_the_delivery(names):
    speaks = threading.Event()
    names.answers["slow.example.com"] = lambda: speaks.wait(PATIENCE) and ["127.0.0.1"]
    began = time.monotonic()
    endpoint = check_url("https://slow.example.com/")
    try:
        delivery = send_webhook(endpoint, message_id="m", body="{}", secrets=[SECRET], seconds=0.3)
        assert 0.3 <= time.monotonic() - began < PATIENCE
    finally:
        speaks.set()
    assert (delivery.outcome, delivery.may_have_arrived) == ("retry", False)


# --- connections kept -------------------------------------------------------------------------------------------------


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
    def one_answer(server, connection):
        server.read(connection.makefile("rb"))
        connection.sendall(OK)

    server = serve(one_answer)
    deliveries = []
    for _ in range(3):
        deliveries.append(send(server, scheme="http"))
        time.sleep(0.1)
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


# --- its end ----------------------------------------------------------------------------------------------------------


def drip(head, piece, pause=0.03):
    """Read a request, and answer it piece by piece, for as long as the other side listens."""

    def talk(server, connection):
        server.read(connection.makefile("rb"))
        server.is_asked.set()
        connection.sendall(head)
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
    # The deadline comes nearer with each look at what is left of the time, once the request has arrived.
    clock.steps(0.5, once=server.is_asked)
    delivery = send(server, scheme="https" if encrypted else "http", seconds=5.0)
    assert (delivery.outcome, delivery.may_have_arrived) == (outcome, True)
    assert (
        delivery.error == {"done": "", "retry": "There was no response within 5 s."}[outcome] or delivery.status == 500
    )
    assert server.pieces < MANY_PIECES


@pytest.mark.parametrize("encrypted", [True, False], ids=["https", "http"])
def test_a_server_that_says_nothing_is_left_at_the_deadline(names, trusted, serve, encrypted):
    ended = threading.Event()

    def silent(server, connection):
        server.read(connection.makefile("rb"))
        ended.wait(PATIENCE)

    server = serve(silent, tls=trusted.context(NAME) if encrypted else None)
    began = time.monotonic()
    try:
        delivery = send(server, scheme="https" if encrypted else "http", seconds=2.0)
        assert 2.0 <= time.monotonic() - began < PATIENCE
    finally:
        ended.set()
    assert (delivery.outcome, delivery.may_have_arrived) == ("retry", True)
    assert delivery.error == "There was no response within 2 s."


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
