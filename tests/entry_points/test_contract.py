"""The contract, row by row: what programs rely on, written out by hand, and asked once of each row.

A row says who may, what is sent, which status answers and which keys the answer has. More may stand beside them; an
answer without one of these breaks somebody's program.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from lifecycle.models import EffectRun, Notification
from tenants.context import tenant_context
from tenants.refusals import STATUS_OF_CODE
from tests.admin.drafts import new_draft
from tests.factories import MINIMAL, PASSWORD, CustomerFactory

LIFECYCLE = "customer_id stage stage_entered_at updated_at updated_by reason_code source version transitions"
SUMMARY = "stage days_in_stage health renewal billing support"
DM_2 = "id customer_id from_stage to_stage changed_at changed_by reason_code source"
EFFECT = (
    "id customer_id history_id request_id effect kind recipient state reason due_at attempts finished_at created_at"
)
PROFILE = "company contacts billing support lifecycle provenance"
NOTIFICATION = "id read_at acknowledged_at"
UNDO = "undo_id to_move moved_since effects_cancelled effects_already_done"
PROVENANCE = "source occurred_at pinned_by pinned_until overruled"
SAVED_VIEW = "name query columns scope"
PAGE = "results next previous"
BOUNDS = (
    "days_min=1&days_max=90&changed_from=2026-01-01&changed_to=2026-12-31&renewal_within=90"
    "&arr_min=1&arr_max=9&health_max=40"
)
LISTED = (
    "category=risk&segment=SMB&industry=Retail&days_min=1&days_max=90&changed_from=2026-01-01&changed_to=2026-12-31"
    "&renewal_within=30&arr_min=1&arr_max=99999&health_max=40&columns=customer,arr"
)
PERIOD = "from=2026-10-01&to=2026-10-31&segment=SMB&owner=ann"
API = "/api/v1"
C, L = f"{API}/customers/{{customer}}", f"{API}/customers/{{customer}}/lifecycle"

VIEW = "viewer account_manager tenant_admin super_admin service"
UPDATE = HISTORY = REVEAL = "account_manager tenant_admin super_admin service"
CONFIGURE = "tenant_admin super_admin"
ANYONE = ""
ROLES = VIEW.split()
SINCE = {"since": "2026-01-01T00:00:00Z", "state": "failed"}
ITEMS = {"items": [{"customer_id": "{customer}", "stage": "Active"}]}
SAID = {"source": "/crm", "time": "2026-01-01T00:00:00Z", "name": "Nimbus"}
EFFECTS = [
    {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"]},
    {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]},
]
DOCUMENT = {**MINIMAL, "effects": EFFECTS}
RULE = {
    "name": "In debt",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "action": "propose",
    "to": "At-Risk",
    "reason_code": "Quiet",
}


@dataclass(frozen=True)
class Row:
    """One row of the contract. ``keys``: of the answer; ``rows``: of each of its results."""

    who: str
    keys: str = ""
    body: Any = None
    status: int = 200
    rows: str = ""


# What is in braces names something of the world below.
CONTRACT: Mapping[str, Row] = {
    f"POST {API}/auth/token": Row(
        ANYONE, "access refresh roles tenant_id expires", {"username": "{name}", "password": PASSWORD}
    ),
    f"POST {API}/auth/token/refresh": Row(ANYONE, "access refresh roles tenant_id expires", {"refresh": "{refresh}"}),
    f"POST {API}/auth/password-reset": Row(ANYONE, "", {"username": "no-one@acme.example"}, 202),
    f"GET {C}": Row(VIEW, PROFILE),
    f"GET {L}": Row(VIEW, LIFECYCLE),
    f"GET {L}?as_of=2099-01-01": Row(HISTORY, LIFECYCLE),
    f"PATCH {L}": Row(UPDATE, "success updated_at", {"stage": "Active"}),
    f"GET {L}/summary": Row(VIEW, SUMMARY),
    f"GET {L}/history": Row(HISTORY, PAGE, rows=DM_2),
    f"GET {API}/lifecycle/summary": Row(VIEW, "stages total"),
    f"GET {API}/lifecycle/summary?as_of=2026-10-01": Row(HISTORY, "stages total"),
    f"GET {API}/customers?as_of=2026-10-01": Row(HISTORY, PAGE),
    f"GET {API}/customers?category=risk&segment=SMB&industry=Steel&{BOUNDS}&view={{view}}&columns=arr&count=true": Row(
        VIEW, PAGE
    ),
    f"POST {API}/lifecycle/transitions": Row(UPDATE, "results", ITEMS, rows="customer_id status success"),
    f"GET {API}/configuration": Row(VIEW, "stages required_reason_codes"),
    f"PUT {API}/configuration": Row(CONFIGURE, "stages required_reason_codes", DOCUMENT),
    f"POST {API}/configuration/preview": Row(CONFIGURE, "valid errors changes", MINIMAL),
    f"POST {API}/configuration/backtest": Row(CONFIGURE, "draft state rules", {}, 202),
    f"GET {API}/schema": Row(ANYONE, "openapi paths"),
    f"GET {API}/effects?state=held&kind=email&effect=Write&customer_id={{customer}}&request_id={{request}}": Row(
        UPDATE, PAGE, rows=EFFECT
    ),
    f"GET {API}/effects/{{effect}}": Row(CONFIGURE, f"{EFFECT} request response"),
    f"POST {API}/effects/{{effect}}/cancel": Row(CONFIGURE, "cancelled", status=202),
    f"POST {API}/effects/{{cancelled}}/replay": Row(CONFIGURE, "replayed", status=202),
    f"POST {API}/effects/replay": Row(CONFIGURE, "replayed", {**SINCE, "effect": "Write"}, 202),
    f"PUT {API}/effects/pause": Row(CONFIGURE, "pauses", {"paused": False, "reason": "Over"}),
    f"GET {API}/webhooks/endpoints": Row(CONFIGURE, "results"),
    f"POST {API}/webhooks/endpoints": Row(
        CONFIGURE, "id name url secret", {"name": "{fresh}", "url": "https://crm.example/hook"}, 201
    ),
    f"POST {API}/webhooks/endpoints/{{endpoint}}/rotate": Row(CONFIGURE, "secret"),
    f"POST {API}/webhooks/endpoints/{{endpoint}}/test": Row(CONFIGURE, "outcome status"),
    f"DELETE {API}/webhooks/endpoints/{{endpoint}}": Row(CONFIGURE, status=204),
    f"POST {API}/lifecycle/transitions/{{request}}/undo": Row(UPDATE, UNDO, {"reason": "A slip"}, 202),
    f"GET {API}/lifecycle/undos/{{undo}}": Row(UPDATE, UNDO),
    f"GET {API}/notifications?unread=true": Row(VIEW, "results"),
    f"GET {C}/notes": Row(VIEW, PAGE),
    f"POST {C}/notes": Row(UPDATE, "id", {"text": "They called."}, 201),
    f"GET {C}/tasks": Row(VIEW, PAGE),
    f"POST {C}/tasks": Row(UPDATE, "id", {"title": "Call them"}, 201),
    f"GET {API}/customers?{LISTED}": Row(VIEW, PAGE),
    f"GET {API}/customers?stage=Prospect&search=a&owner=ann&limit=1&ordering=name": Row(VIEW, PAGE),
    f"GET {API}/customers?view={{view}}": Row(VIEW, PAGE),
    f"GET {API}/customers/export?format=csv&{LISTED}": Row(VIEW),
    f"GET {API}/customers/export?format=xlsx&{LISTED}": Row(VIEW),
    f"GET {C}/timeline?kind=stage": Row(HISTORY, PAGE),
    f"GET {API}/tasks?assignee=me&open=true": Row(VIEW, PAGE),
    f"PATCH {API}/tasks/{{task}}": Row(UPDATE, "id done_at", {"done": True}),
    f"GET {API}/views": Row(VIEW, "results"),
    f"POST {API}/views": Row(VIEW, SAVED_VIEW, {"name": "{fresh}", "query": "stage=At-Risk"}, 201),
    f"GET {API}/views/{{view}}": Row(VIEW, SAVED_VIEW),
    f"PATCH {API}/views/{{view}}": Row(VIEW, SAVED_VIEW, {"name": "{fresh}"}),
    f"DELETE {API}/views/{{view}}": Row(VIEW, status=204),
    f"POST {C}/contacts/reveal": Row(REVEAL, "contacts", {"reason": "A call"}),
    f"PUT {C}/pins/segment": Row(UPDATE, PROVENANCE, {"value": "SMB", "reason": "x", "until": "2099-01-01T00:00:00Z"}),
    f"DELETE {C}/pins/industry": Row(UPDATE, PROVENANCE),
    f"PUT {API}/customers/by-external-id/{{fresh}}": Row(UPDATE, "customer_id", SAID, 201),
    f"PUT {API}/customers": Row(UPDATE, "results", {"items": [{"external_id": "{fresh}", **SAID}]}),
    f"GET {API}/lifecycle/history?after=0&limit=1": Row(HISTORY, "results", rows=DM_2),
    f"POST {C}/export": Row(CONFIGURE, "company contacts history notes"),
    f"POST {C}/erase": Row(CONFIGURE, "erased_at contacts", {"reason": "Asked for", "company": True}),
    f"GET {API}/insight/stages?{PERIOD}": Row(VIEW, "days gained_and_lost"),
    f"GET {API}/insight/flow?{PERIOD}": Row(VIEW, "stages moves"),
    f"GET {API}/insight/conversion?{PERIOD}": Row(VIEW, "stages"),
    f"GET {API}/insight/durations?{PERIOD}": Row(VIEW, "stages"),
    f"GET {API}/insight/cohorts?{PERIOD}": Row(VIEW, "cohorts"),
    f"GET {API}/insight/save-rate?{PERIOD}": Row(VIEW, "actions"),
    f"GET {API}/insight/renewals?{PERIOD}": Row(VIEW, "months"),
    f"GET {API}/insight/forecast?{PERIOD}": Row(VIEW, "state proof customers highest"),
    f"GET {API}/insight/forecast/calibration?{PERIOD}": Row(VIEW, "state months bins"),
}
# The others keep their first answer under an Idempotency-Key.
NO_ANSWER_IS_KEPT = {
    "/auth/": "who is asked for is not known before",
    "/preview": "nothing is changed",
    "/contacts/reveal": "no copy of a person's data is kept",
    "/export": "no copy of a person's data is kept",
    "/webhooks/": "a secret is shown once",
}
REPEATABLE = [
    row for row in CONTRACT if row.startswith(("POST", "PATCH")) and not any(part in row for part in NO_ANSWER_IS_KEPT)
]
CODES = {
    "invalid_stage": 400,
    "invalid_request": 400,
    "reason_required": 400,
    "unknown_reason": 400,
    "transition_not_allowed": 400,
    "not_authenticated": 401,
    "permission_denied": 403,
    "actor_mismatch": 403,
    "not_found": 404,
    "effects_unconfirmed": 409,
    "version_conflict": 412,
    "idempotency_mismatch": 422,
    "rate_limited": 429,
    "internal_error": 500,
}


pytestmark = pytest.mark.one_tenant(configuration=DOCUMENT)


@pytest.fixture
def world(tenant, users, api_client):
    """What rows are about: made for each, as they change it."""
    customer = CustomerFactory(tenant=tenant, owner=users.account_manager.username)

    def make(row: str) -> dict[str, str]:
        manager, admin = api_client("account_manager"), api_client("tenant_admin")
        named = {"customer": str(customer.id), "fresh": uuid4().hex, "name": users.viewer.username}
        at = f"{API}/customers/{customer.id}"
        if "{effect}" in row or "{cancelled}" in row or "{request}" in row or "{undo}" in row:
            moved = manager.patch(f"{at}/lifecycle", {"stage": "At-Risk", "reason_code": "Quiet"})
            assert moved.status_code == 200, moved.content
            with tenant_context(tenant.id):
                run = EffectRun.objects.get(tenant_id=tenant.id, customer_id=customer.id, kind="email")
            named |= {"effect": str(run.id), "cancelled": str(run.id), "request": str(run.request_id)}
        if "{cancelled}" in row:
            admin.post(f"{API}/effects/{named['effect']}/cancel")
        if "{undo}" in row:
            begun = manager.post(f"{API}/lifecycle/transitions/{named['request']}/undo", {})
            named["undo"] = begun.json()["undo_id"]
        if "{endpoint}" in row:
            made = admin.post(f"{API}/webhooks/endpoints", {"name": uuid4().hex, "url": "https://crm.example/hook"})
            named["endpoint"] = made.json()["id"]
        if row.endswith("/token/refresh"):
            logged_in = api_client(None).post(f"{API}/auth/token", {"username": named["name"], "password": PASSWORD})
            named["refresh"] = logged_in.json()["refresh"]
        if "{view}" in row:
            saved = api_client("viewer").post(f"{API}/views", {"name": uuid4().hex, "query": "stage=At-Risk"})
            named["view"] = saved.json()["id"]
        if "{task}" in row:
            named["task"] = manager.post(f"{at}/tasks", {"title": "Call them"}).json()["id"]
        if "backtest" in row:
            new_draft(tenant, {**DOCUMENT, "risk_rules": [RULE]})
        if row.startswith("DELETE") and "pins" in row:
            manager.put(f"{at}/pins/industry", {"value": "Retail", "reason": "x"})
        return named

    return make


def fill(what: Any, named: Mapping[str, str]) -> Any:
    """The same with the world's names in place of those in braces."""
    if isinstance(what, dict):
        return {key: fill(value, named) for key, value in what.items()}
    if isinstance(what, list):
        return [fill(value, named) for value in what]
    if isinstance(what, str):
        for name, value in named.items():
            what = what.replace(f"{{{name}}}", value)
    return what


def ask(client: Any, row: str, named: Mapping[str, str], **headers: str) -> Any:
    """The answer to a row of the contract."""
    method, address = fill(row, named).split(" ", 1)
    return getattr(client, method.lower())(address, fill(CONTRACT[row].body, named), format="json", **headers)


@pytest.mark.parametrize("row", CONTRACT)
def test_a_row_of_the_contract_is_answered_with_its_status_and_keys_to_those_who_may(row, world, api_client):
    wanted, named = CONTRACT[row], world(row)
    may = wanted.who.split()
    for role in ROLES:
        if may and role not in may:
            refused = ask(api_client(role), row, named)
            assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), role
    answer = ask(api_client(may[0] if may else None), row, named)
    assert answer.status_code == wanted.status, answer.content
    body = answer.json() if wanted.keys else {}
    assert set(wanted.keys.split()) <= body.keys()
    if wanted.rows:
        assert body["results"] and all(set(wanted.rows.split()) <= one.keys() for one in body["results"])


@pytest.mark.parametrize("row", REPEATABLE)
def test_under_a_key_the_first_answer_is_given_again_and_another_request_refused(row, world, api_client):
    wanted, named, key = CONTRACT[row], world(row), {"HTTP_IDEMPOTENCY_KEY": uuid4().hex}
    client = api_client(wanted.who.split()[0])
    first, again = (ask(client, row, named, **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (wanted.status, wanted.status), again.content
    assert again.content == first.content and again.headers["Idempotency-Replayed"] == "true"
    other = f"{API}/customers/{named['customer']}/notes"
    refused = api_client(wanted.who.split()[0]).post(other, {"text": "Other"}, **key)
    assert refused.status_code == (403 if wanted.who == VIEW else 422)


def test_the_codes_have_the_statuses_of_the_contract():
    assert CODES.items() <= STATUS_OF_CODE.items()


def test_a_refusal_is_a_problem_with_a_pointer_for_each_field(world, api_client):
    named = world("")
    body = {"stage": 7, "color": "red", "note": ["x"]}
    answer = api_client("account_manager").patch(f"{API}/customers/{named['customer']}/lifecycle", body)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "errors"} <= problem.keys()
    assert (problem["status"], problem["code"]) == (400, "invalid_request")
    assert {"#/color", "#/note"} <= {one["pointer"] for one in problem["errors"]}


def test_each_other_stage_says_whether_a_move_is_allowed_and_what_it_would_start(world, api_client):
    body = api_client("account_manager").get(f"{API}/customers/{world('')['customer']}/lifecycle").json()
    options = {one["stage"]: one for one in body["transitions"]}
    assert options.keys() == set(MINIMAL["stages"]) - {"Prospect"}
    for one in options.values():
        assert {"allowed", "reason_required", "refusal", "effects"} <= one.keys()
    assert [(one["name"], one["kind"]) for one in options["At-Risk"]["effects"]] == [
        ("Escalate", "alert"),
        ("Write", "email"),
    ]
    assert options["At-Risk"]["reason_required"] and not options["Active"]["reason_required"]
    viewed = api_client("viewer").get(f"{API}/customers/{body['customer_id']}/lifecycle").json()["transitions"]
    assert all(not one["allowed"] and {"code", "sentence"} <= one["refusal"].keys() for one in viewed)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_a_number_of_effects_that_was_not_seen_is_refused_with_those_that_would_start(world, api_client, many):
    customer = world("")["customer"]
    move = {"stage": "At-Risk", "reason_code": "Quiet"}
    client = api_client("account_manager")
    if many:
        items = [{**move, "customer_id": customer}]
        answer = client.post(f"{API}/lifecycle/transitions", {"items": items, "confirm_effects": 7})
    else:
        answer = client.patch(f"{API}/customers/{customer}/lifecycle", {**move, "confirm_effects": 7})
    assert (answer.status_code, answer.json()["code"]) == (409, "effects_unconfirmed")
    assert answer.json()["effects"] == [
        {"name": "Escalate", "kind": "alert", "count": 1},
        {"name": "Write", "kind": "email", "count": 1},
    ]


def test_a_change_has_the_etag_of_the_version_and_the_same_stage_again_changes_nothing(world, api_client):
    address = f"{API}/customers/{world('')['customer']}/lifecycle"
    client = api_client("account_manager")
    assert client.get(address).headers["ETag"] == '"1"'
    for stale in ('"9"', 'W/"9"', '"9-gzip"', '"9;gzip"'):
        refused = client.patch(address, {"stage": "Active"}, HTTP_IF_MATCH=stale)
        assert (refused.status_code, refused.json()["code"]) == (412, "version_conflict"), stale
        assert {"stage", "version"} <= refused.json()["current"].keys()
    moved = client.patch(address, {"stage": "Active"}, HTTP_IF_MATCH='W/"1-gzip"')
    assert (moved.status_code, moved.headers["ETag"], moved.json()["success"]) == (200, '"2"', True)
    assert {"RateLimit", "RateLimit-Policy"} <= moved.headers.keys()
    again = client.patch(address, {"stage": "Active"})
    assert (again.headers["ETag"], again.json()) == ('"2"', moved.json())


def test_a_key_replays_the_first_answer_and_refuses_another_body(world, api_client):
    address = f"{API}/customers/{world('')['customer']}/lifecycle"
    client, key = api_client("account_manager"), {"HTTP_IDEMPOTENCY_KEY": uuid4().hex}
    first = client.patch(address, {"stage": "Active"}, **key)
    again = client.patch(address, {"stage": "Active"}, **key)
    assert (again.status_code, again.content) == (200, first.content)
    other = client.patch(address, {"stage": "Onboarded"}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_secret_of_a_webhook_is_shown_once_and_begins_as_standard_webhooks_say(world, api_client):
    client = api_client("tenant_admin")
    made = client.post(f"{API}/webhooks/endpoints", {"name": uuid4().hex, "url": "https://crm.example/hook"}).json()
    rotated = client.post(f"{API}/webhooks/endpoints/{made['id']}/rotate").json()
    assert made["secret"].startswith("whsec_") and rotated["secret"].startswith("whsec_")
    listed = client.get(f"{API}/webhooks/endpoints").content.decode()
    assert made["id"] in listed and "whsec_" not in listed


def test_a_notification_is_read_and_acknowledged_by_whom_it_is_for(world, tenant, users, api_client):
    named = world("")
    client = api_client("account_manager")
    text = {"text": f"See @{users.account_manager.username}"}
    assert api_client("tenant_admin").post(f"{API}/customers/{named['customer']}/notes", text).status_code == 201
    with tenant_context(tenant.id):
        made = Notification.objects.get(tenant_id=tenant.id, customer_id=named["customer"])
    assert str(made.id) in {one["id"] for one in client.get(f"{API}/notifications?unread=true").json()["results"]}
    for verb in ("read", "acknowledge"):
        answer = client.post(f"{API}/notifications/{made.id}/{verb}")
        assert answer.status_code == 200 and set(NOTIFICATION.split()) <= answer.json().keys()
        assert api_client("tenant_admin").post(f"{API}/notifications/{made.id}/{verb}").status_code == 404
    assert client.get("/api/docs").status_code == 200
