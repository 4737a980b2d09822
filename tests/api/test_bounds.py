"""No one keeps a server busy with what a request may say: filters, cursors, headers and the items of a bulk call."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.rules.documents import any_json
from tests.rules.growing import measure

SECONDS = 0.5
SIZES = (2_000, 64_000)
LIST, BULK = "/api/v1/customers", "/api/v1/lifecycle/transitions"
# Marks that change places when a text is composed, one after the other.
MARKS = "\u0301\u0323"
UNITS = ("a", "%", "=", " ", "'", "\\", "_", "é", "ß", "İ", "\u0301", MARKS, "\u0f73", "ﷺ", "a@", "a.", "-", "0", '"')


def fill(unit: str, size: int) -> str:
    """The unit over and over, about ``size`` bytes long as it stands in an address."""
    return unit * max(1, size // len(quote(unit)))


def many(name: str, size: int, *, numbered: bool = True) -> str:
    """One parameter over and over."""
    one = f"{name}=x"
    return "&".join(f"{one}{number if numbered else ''}" for number in range(size // (len(one) + 6)))


QUERIES: dict[str, Callable[[int], str]] = {
    "many stages": lambda size: many("stage", size),
    "one stage many times": lambda size: many("stage", size, numbered=False),
    "one filter many times": lambda size: many("search", size),
    "many outsiders": lambda size: "&".join(f"f{number}=" for number in range(size // 7)),
    "an outsider with a long name": lambda size: f"{'x' * size}=1",
    "nothing but separators": lambda size: "&" * size,
    "nothing but signs": lambda size: "=" * size,
    "half escapes": lambda size: "search=" + "%" * size,
    "digits": lambda size: f"limit={'9' * size}&renewal_within={'9' * size}",
    **{
        f"{name} of {unit!a}": lambda size, name=name, unit=unit: urlencode({name: fill(unit, size)})
        for name in ("stage", "search", "owner", "cursor", "ordering", "limit", "category")
        for unit in UNITS
    },
}
pytestmark = pytest.mark.one_tenant


@pytest.fixture
def viewer(api_client: Any) -> Any:
    return api_client("viewer")


@pytest.fixture
def manager(api_client: Any) -> Any:
    return api_client("account_manager")


def assert_cheap(ask: Callable[[int], Any], statuses: set[int], *, beside: int = 20_000) -> None:
    """For each size: an answer of these, in less than half a second of the processor."""
    for size in SIZES:
        answers: list[Any] = []
        assert_quick(lambda size=size, answers=answers: answers.append(ask(size)), size)
        assert answers[0].status_code in statuses, answers[0].content[:300]
        # No one is sent much more than was asked.
        length = len(answers[0].content)
        assert length < 20 * size + beside, f"{size:,} bytes are answered with {length:,}"


def assert_quick(work: Callable[[], object], size: int) -> None:
    """Measured again when it was slow: another process may have been in the way."""
    seconds = measure(work, enough=SECONDS)
    assert seconds < SECONDS, f"{size:,} bytes take {seconds:.2f} s"


@pytest.mark.parametrize("name", QUERIES)
def test_a_filter_is_cheap_whatever_it_says(viewer: Any, name: str) -> None:
    assert_cheap(lambda size: viewer.get(f"{LIST}?{QUERIES[name](size)}"), {200, 400})


def test_of_thousands_of_errors_the_first_few_are_named_and_all_are_counted(viewer: Any) -> None:
    answer = viewer.get(f"{LIST}?{QUERIES['many outsiders'](7_000)}")
    problem = answer.json()
    assert answer.status_code == 400
    assert problem["detail"] == "1000 parameters are wrong; errors has the first 20."
    assert [error["parameter"] for error in problem["errors"]] == [f"f{number}" for number in range(20)]


def test_parameters_by_the_thousand_are_refused_unread(viewer: Any) -> None:
    answer = viewer.get(f"{LIST}?{QUERIES['many outsiders'](7_007)}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["detail"] == "The address has more than 1000 parameters; nothing was changed. Send fewer."


@pytest.mark.parametrize("unit", UNITS)
def test_a_cursor_of_a_history_is_cheap_whatever_it_says(viewer: Any, customer: Any, unit: str) -> None:
    address = f"{LIST}/{customer.id}/lifecycle/history"
    assert_cheap(lambda size: viewer.get(f"{address}?{urlencode({'cursor': fill(unit, size)})}"), {200, 400, 403})


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match", "Idempotency-Key", "X-Tenant", "Authorization"])
@pytest.mark.parametrize("unit", ['"1",', '"1"', '"', ",", " ", '"1-gzip",', 'W/"1", ', "-gzip", "a.", "Bearer "])
def test_a_header_is_cheap_whatever_it_says(manager: Any, customer: Any, header: str, unit: str) -> None:
    def ask(size: int) -> Any:
        return manager.get(f"{LIST}/{customer.id}/lifecycle", headers={header: unit * (size // len(unit))})

    assert_cheap(ask, {200, 304, 400, 401, 403, 404})


def items_of(size: int, one: Any) -> dict[str, Any]:
    length = len(json.dumps(one)) + 2
    return {"items": [one] * max(1, size // length)}


ID = "00000000-0000-4000-8000-000000000000"
BODIES: dict[str, Callable[[int], Any]] = {
    "numbers": lambda size: items_of(size, 1),
    "nothing": lambda size: items_of(size, None),
    "empty objects": lambda size: items_of(size, {}),
    "lists in lists": lambda size: items_of(size, [[[[[[[[]]]]]]]]),
    "the same customer": lambda size: items_of(size, {"customer_id": ID, "stage": "Active"}),
    "others' names": lambda size: {
        "items": [{"customer_id": ID, "stage": "Active", "updated_by": f"n{number}"} for number in range(size // 80)]
    },
    "one item with many keys": lambda size: {"items": [{f"k{number}": 1 for number in range(size // 12)}]},
    "items with strange keys": lambda size: items_of(size, {f"k{number}": number for number in range(20)}),
    "many keys beside the items": lambda size: {f"k{number}": 1 for number in range(size // 12)},
    **{
        f"{field} of {unit!a}": lambda size, field=field, unit=unit: {
            "items": [{"customer_id": ID, "stage": "Active", field: unit * (size // len(unit.encode()))}]
        }
        for field in ("stage", "reason_code", "note", "updated_by", "customer_id")
        for unit in UNITS
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bulk_call_is_cheap_whatever_its_items_say(manager: Any, name: str) -> None:
    def ask(size: int) -> Any:
        return manager.post(BULK, {**BODIES[name](size), "dry_run": True}, format="json")

    # Each of a thousand items has an answer of its own.
    assert_cheap(ask, {200, 207, 400}, beside=400_000)


@pytest.mark.parametrize("field", ["stage", "reason_code", "note", "updated_by"])
@pytest.mark.parametrize("unit", [MARKS, "\u0f73", "é", "a "])
def test_a_change_is_cheap_whatever_it_says(manager: Any, customer: Any, field: str, unit: str) -> None:
    def ask(size: int) -> Any:
        body = {"stage": "Nowhere", field: unit * (size // len(unit.encode()))}
        return manager.patch(f"{LIST}/{customer.id}/lifecycle", body, format="json")

    assert_cheap(ask, {400, 403, 429})


@pytest.mark.parametrize("part", ["renamed", "mapping", "comment", "configuration"])
@pytest.mark.parametrize("unit", [MARKS, "\u0f73", "é"])
def test_what_goes_with_a_configuration_is_cheap_whatever_it_says(api_client: Any, part: str, unit: str) -> None:
    admin = api_client("tenant_admin")

    def ask(size: int) -> Any:
        text = unit * (size // len(unit.encode()))
        beside: Any = {"comment": text, "configuration": {"stages": [text]}}.get(part, {text: "Active"})
        body = {"configuration": {"stages": ["Prospect", "Active"]}, part: beside}
        return admin.post("/api/v1/configuration/preview", body, format="json")

    assert_cheap(ask, {200, 400})


@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(one=any_json, query=st.lists(st.sampled_from(UNITS), min_size=1, max_size=3).map("".join))
def test_a_list_and_a_bulk_call_are_cheap_whatever_anybody_thinks_of(manager: Any, one: Any, query: str) -> None:
    for size in SIZES:
        sent = urlencode({"search": fill(query, size // 2), "stage": fill(query, size // 2)})
        assert_quick(lambda sent=sent: manager.get(f"{LIST}?{sent}"), size)
        body = json.dumps({**items_of(size, one), "dry_run": True}).encode()
        assert_quick(lambda body=body: manager.post(BULK, body, content_type="application/json"), size)
