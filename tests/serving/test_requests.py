"""What a client sends reaches the application as WSGI describes it, however it was framed."""

import json
import socket

import pytest

from tests.browser.servers import Server
from tests.serving.http import Reply, ask, ask_http2, chunked, connected, get, head, receive

JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"


def echoed(reply: Reply) -> dict:
    assert reply.status == 200, reply.raw
    return json.loads(reply.body)


def test_a_body_in_chunks_is_read_whole(small: int) -> None:
    request = head("POST", "/echo", CHUNKED, JSON, "Connection: close") + chunked(b'{"a":', b" 1", b"}")
    seen = echoed(ask(small, request))
    assert (seen["body"], seen["length"]) == ('{"a": 1}', 8)
    assert seen["environ"]["CONTENT_LENGTH"] == "8"
    assert "HTTP_TRANSFER_ENCODING" not in seen["environ"]


def test_an_empty_body_in_chunks_is_empty(small: int) -> None:
    seen = echoed(ask(small, head("POST", "/echo", CHUNKED, "Connection: close") + chunked()))
    assert seen["length"] == 0


def test_a_body_over_http2_needs_no_length(small: int) -> None:
    _, body = ask_http2(small, "POST", "/echo", b'{"a": 2}')
    seen = json.loads(body)
    assert (seen["body"], seen["environ"]["CONTENT_LENGTH"]) == ('{"a": 2}', "8")
    assert seen["environ"]["HTTP_HOST"] == "127.0.0.1"
    assert seen["environ"]["SERVER_PROTOCOL"] == "HTTP/2"


def test_the_api_takes_a_log_in_in_chunks(web: Server) -> None:
    request = head("POST", "/api/v1/auth/token", CHUNKED, JSON, "Connection: close")
    reply = ask(web.port, request + chunked(b'{"username": "no one@x.ex', b'ample", "password": "wrong"}'))
    assert reply.status == 401
    assert json.loads(reply.body)["detail"] == "The username or the password is wrong."


@pytest.mark.parametrize(
    "cut", [head("POST", "/echo", CHUNKED) + b"5\r\nhel", head("POST", "/echo", "Content-Length: 9") + b"hel"]
)
def test_half_a_body_is_not_taken_for_a_whole_one(small: int, cut: bytes) -> None:
    with connected(small) as connection:
        connection.sendall(cut)
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in receive(connection).raw


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhello, you\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"f" * 40 + b"\r\n"],
)
def test_a_client_whose_chunks_cannot_be_read_learns_that_it_is_its_own_doing(small: int, chunks: bytes) -> None:
    reply = ask(small, head("POST", "/api/echo", CHUNKED, JSON) + chunks)
    assert (reply.status, reply.ended) == (400, True), reply.raw
    assert json.loads(reply.body) == {
        "type": "urn:customer360:problem:invalid_request",
        "title": "Bad Request",
        "status": 400,
        "detail": "The body ended before it was whole, or its chunks cannot be read. "
        "Nothing was changed. Send it again.",
        "code": "invalid_request",
    }


@pytest.mark.parametrize(
    "request_bytes",
    [
        head("POST", "/api/echo", "Content-Length: 100001") + bytes(100_001),
        head("POST", "/api/echo", "Content-Length: 7000000") + bytes(7_000_000),
        head("POST", "/api/echo", CHUNKED) + chunked(*[bytes(50_000)] * 40),
        head("POST", "/api/echo", "Content-Length: 7000000", "Expect: 100-continue"),
    ],
    ids=["a byte too long", "much too long", "in chunks", "asked for before it is sent"],
)
def test_a_body_that_is_too_long_is_refused_with_its_bound(small: int, request_bytes: bytes) -> None:
    reply = ask(small, request_bytes)
    assert (reply.status, reply.ended) == (413, True)
    assert json.loads(reply.body) == {
        "type": "urn:customer360:problem:body_too_large",
        "title": "Request Entity Too Large",
        "status": 413,
        "detail": "The body is too long: at most 100,000 bytes are accepted. "
        "Nothing was changed; split it into several calls.",
        "code": "body_too_large",
    }


def test_a_page_says_that_what_was_sent_is_too_long_and_not_that_too_many_ask(small: int) -> None:
    reply = ask(small, head("POST", "/echo", "Content-Length: 200001") + bytes(200_001))
    assert reply.status == 413
    assert b"<h1>Too much at once</h1>" in reply.body
    assert b"at most 200,000 bytes are accepted" in reply.body


@pytest.mark.parametrize(
    ("asked", "language", "page", "problem"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "<h1>Zu viel auf einmal</h1>", "höchstens 100.000 Byte"),
        ("fr, en;q=0.8", "en", "<h1>Too much at once</h1>", "at most 100,000 bytes"),
        ("\xff;;q=x", "en", "<h1>Too much at once</h1>", "at most 100,000 bytes"),
    ],
)
def test_what_is_too_long_is_refused_in_the_language_that_is_asked_for(
    small: int, asked: str, language: str, page: str, problem: str
) -> None:
    header = f"Accept-Language: {asked}"
    shown = ask(small, head("POST", "/echo", "Content-Length: 200001", header) + bytes(200_001))
    assert (shown.status, f"content-language: {language}" in shown.head) == (413, True)
    assert page in shown.body.decode() and f'<html lang="{language}">' in shown.body.decode()
    answered = ask(small, head("POST", "/api/echo", "Content-Length: 100001", header) + bytes(100_001))
    said = json.loads(answered.body)
    assert (said["code"], f"content-language: {language}" in answered.head) == ("body_too_large", True)
    assert problem in said["detail"]


@pytest.mark.parametrize(("path", "most"), [("/api/echo", 100_000), ("/echo", 200_000)], ids=["API", "form"])
def test_the_longest_body_is_taken(small: int, path: str, most: int) -> None:
    request = head("POST", path, f"Content-Length: {most}", "Connection: close") + bytes(most)
    assert echoed(ask(small, request))["length"] == most
    assert ask(small, head("POST", path, f"Content-Length: {most + 1}")).status == 413


def test_a_form_with_a_file_may_be_longer(small: int) -> None:
    request = head("POST", "/echo", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 2500000")
    with connected(small) as connection:
        connection.sendall(request + bytes(2_500_000))
        assert echoed(receive(connection, until=b'"body"'))["length"] == 2_500_000


def test_a_client_that_asks_before_it_sends_learns_to_go_on(small: int) -> None:
    with connected(small) as connection:
        connection.sendall(head("POST", "/echo", "Content-Length: 3", "Expect: 100-continue"))
        assert receive(connection, until=b"\r\n\r\n").status == 100
        connection.sendall(b"abc")
        assert echoed(receive(connection, until=b"}"))["body"] == "abc"


def test_names_and_values_are_as_wsgi_has_them(small: int) -> None:
    request = head(
        "GET",
        "/echo/caf%C3%A9%20%FF?q=%C3%A9&r",
        "X-One: 1",
        "X-One: 2",
        "Cookie: a=1",
        "Cookie: b=2",
        "X-Latin: \xe9",
        "X_Forwarded_Proto: https",
        "Content-Type: text/plain",
        "Connection: close",
    )
    environ = echoed(ask(small, request))["environ"]
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": b"/echo/caf\xc3\xa9 \xff".decode("latin-1"),
        "QUERY_STRING": "q=%C3%A9&r",
        "HTTP_X_ONE": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_LATIN": "\xe9",
        "CONTENT_TYPE": "text/plain",
        "HTTP_HOST": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PORT": str(small),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert "HTTP_X_FORWARDED_PROTO" not in environ
    assert "CONTENT_LENGTH" not in environ


def test_two_hosts_are_none_of_ours(web: Server) -> None:
    assert get(web.port, "/login", "Host: 127.0.0.1").status == 400


def test_a_head_has_no_body_and_keeps_the_connection(small: int) -> None:
    with connected(small) as connection:
        connection.sendall(head("HEAD", "/echo"))
        first = receive(connection, until=b"\r\n\r\n")
        assert (first.status, first.body) == (200, b"")
        connection.sendall(head("GET", "/status/204"))
        second = receive(connection, until=b"\r\n\r\n")
        assert (second.status, second.body, "content-length" in second.head) == (204, b"", False)
        connection.sendall(head("GET", "/status/304"))
        assert receive(connection, until=b"\r\n\r\n").status == 304


def test_cookies_are_set_one_by_one(small: int) -> None:
    assert [line for line in get(small, "/echo").head.splitlines() if line.startswith("set-cookie")] == [
        "set-cookie: a=1",
        "set-cookie: b=2",
    ]


@pytest.mark.parametrize("path", ["/raise", "/exit"])
def test_an_error_below_django_is_an_answer_and_the_thread_lives(small: int, path: str) -> None:
    for _ in range(3):
        reply = get(small, f"/api{path}")
        assert reply.status == 500
        assert json.loads(reply.body)["code"] == "internal_error"
    assert get(small, "/echo").status == 200


def test_a_nul_byte_in_a_path_is_refused(web: Server) -> None:
    assert get(web.port, "/customers%00").status == 400
    assert get(web.port, "/customers/%FF%FE").status in (302, 404)
