"""What the Python package tries again, how often, and after how long: no server, no clock."""

import importlib.util
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from local.sdk import PACKAGE, SOURCE

KEYED = [("PATCH", "/api/v1/customers/[^/]+/lifecycle"), ("PUT", "/api/v1/customers")]
MOVE, LOAD, OTHER = "/api/v1/customers/7/lifecycle", "/api/v1/customers", "/api/v1/keys"
PUBLISH = "/api/v1/configuration"


@pytest.fixture(scope="module")
def retrying() -> Any:
    spec = importlib.util.spec_from_file_location("retrying_of_sdk", SOURCE / PACKAGE / "retrying.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def slept(retrying: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited for, without waiting."""
    waited: list[float] = []
    # Of this module alone: other threads sleep as well.
    monkeypatch.setattr(retrying, "time", SimpleNamespace(sleep=waited.append, time=time.time))
    monkeypatch.setattr(retrying, "random", SimpleNamespace(uniform=lambda _low, high: high))
    return waited


@pytest.fixture
def send(retrying: Any, slept: list[float]) -> Callable[..., Any]:
    """``send("GET", path, 503, 200)``: the answer when the server does these one after the other, and what it saw."""

    def run(method: str, path: str, *outcomes: Any, **options: Any) -> Any:
        left, seen = list(outcomes), []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request.headers.get("Idempotency-Key"))
            outcome = left.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            status, headers = outcome if isinstance(outcome, tuple) else (outcome, {})
            return httpx.Response(status, headers=headers)

        transport = retrying.RetryTransport(httpx.MockTransport(handle), retrying.Policy(), KEYED)
        with httpx.Client(transport=transport, base_url="https://c360.example.com") as client:
            try:
                return client.request(method, path, **options).status_code, seen
            except httpx.TransportError as error:
                return type(error).__name__, seen

    return run


@pytest.mark.parametrize(
    ("method", "path", "outcomes", "result", "tries"),
    [
        ("GET", OTHER, (503, 502, 200), 200, 3),
        ("GET", OTHER, (httpx.ReadError("gone"), 200), 200, 2),
        ("GET", OTHER, (500,) * 6, 500, 6),
        ("GET", OTHER, (404,), 404, 1),
        ("DELETE", OTHER, (504, 204), 204, 2),
        ("PUT", LOAD, (504, 200), 200, 2),
        ("PATCH", MOVE, (500, httpx.ReadTimeout("late"), 200), 200, 3),
        ("PATCH", MOVE, (412,), 412, 1),
        # Neither repeatable nor with a key: only what was surely not done is sent again.
        ("POST", OTHER, (500,), 500, 1),
        ("POST", OTHER, (503,), 503, 1),
        ("POST", OTHER, (httpx.ReadError("gone"),), "ReadError", 1),
        ("PUT", PUBLISH, (504,), 504, 1),
        ("PUT", PUBLISH, (httpx.ReadTimeout("late"),), "ReadTimeout", 1),
        ("PUT", PUBLISH, (httpx.ConnectTimeout("late"), 429, 200), 200, 3),
        ("POST", OTHER, (httpx.ConnectError("refused"), 429, 201), 201, 3),
        ("POST", OTHER, (httpx.ConnectError("refused"),) * 6, "ConnectError", 6),
    ],
)
def test_what_is_safe_is_tried_again(
    send: Callable[..., Any], method: str, path: str, outcomes: tuple[Any, ...], result: Any, tries: int
) -> None:
    found, seen = send(method, path, *outcomes)
    assert (found, len(seen)) == (result, tries)


def test_a_change_keeps_its_key_and_the_caller_s_own_goes_before_ours(send: Callable[..., Any]) -> None:
    _, seen = send("PATCH", MOVE, 500, 500, 200)
    assert len(set(seen)) == 1 and seen[0]
    assert send("PATCH", MOVE, 200)[1] != seen[:1], "another change, another key"
    assert send("PATCH", MOVE, 500, 200, headers={"Idempotency-Key": "mine"})[1] == ["mine", "mine"]
    assert send("POST", OTHER, 200)[1] == [None]


def test_it_waits_as_long_as_the_server_says_and_no_longer_than_a_minute(
    send: Callable[..., Any], slept: list[float]
) -> None:
    assert send("GET", OTHER, (429, {"Retry-After": "3"}), (503, {"Retry-After": "0"}), 200)[0] == 200
    assert slept == [3.0, 0.0]
    slept.clear()
    assert send("GET", OTHER, *(500,) * 5, 200)[0] == 200
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0]
    slept.clear()
    assert send("GET", OTHER, (429, {"Retry-After": "3600"}))[0] == 429
    assert send("GET", OTHER, (429, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}))[0] == 429
    assert send("GET", OTHER, (429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), 200)[0] == 200
    assert slept == [0.0]
