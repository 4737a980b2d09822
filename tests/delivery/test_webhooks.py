"""A webhook is signed, goes where it was judged to go, and what became of it is said as it is."""

import datetime as dt
import json
import threading
import time
import zoneinfo

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from lifecycle.delivery import connections as connections_module
from lifecycle.delivery.webhooks import LARGEST_BODY, send_webhook, sign
from lifecycle.rules.webhook_secrets import make_secret, read_secret
from lifecycle.services.effects.addresses import check_url
from tests.delivery.conftest import NAME, SECRET
from tests.delivery.endpoints import DAY, OK, Authority, answering, status
from tests.delivery.sending import BODY, PATIENCE, send


def test_a_webhook_arrives_signed_at_the_name_it_was_sent_to(endpoint):
    server, began = endpoint(OK), int(time.time())
    delivery = send(server, path="/hooks?a=b")
    assert (delivery.outcome, delivery.status, delivery.response_excerpt, delivery.error) == ("done", 200, "ok", "")
    assert (delivery.maybe_twice, delivery.may_have_arrived, delivery.retry_after_seconds) == (False, True, None)
    assert 0 <= delivery.milliseconds < 30_000
    (request,) = server.requests
    assert request.line == "POST /hooks?a=b HTTP/1.1"
    assert request.headers["host"] == f"{NAME}:{server.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_1"
    assert began <= int(request.headers["webhook-timestamp"]) <= time.time()
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
