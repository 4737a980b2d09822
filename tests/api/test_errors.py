"""Every refusal of the API is a problem (RFC 9457) with a code, a sentence, and nothing that helps an attacker."""

import pytest
from django.db import connection
from django.test import override_settings

from audit.models import RefusedAttempt
from tenants.context import tenant_context
from tenants.models import Tenant

pytestmark = pytest.mark.urls("tests.api.probes")


def problem(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:customer360:problem:{body['code']}"
    assert body["title"] and body["detail"]
    return body


@pytest.mark.parametrize(
    ("failure", "status", "code", "detail"),
    [
        ("bug", 500, "internal_error", "Something went wrong on our side"),
        ("missing", 404, "not_found", "Not found. Check the address"),
        ("denied", 403, "permission_denied", "Not on Sundays."),
        ("suspicious", 400, "invalid_request", "The request is malformed."),
        ("throttled", 429, "rate_limited", "try again in 7 seconds"),
        ("unconfigured", 404, "not_found", "no lifecycle configuration yet"),
        ("conflict", 412, "version_conflict", "It has changed."),
        ("disconnect", 503, "unavailable", "The database cannot be reached at the moment. Nothing was changed."),
        ("read_only", 503, "unavailable", "The database is read-only at the moment. Nothing was changed."),
        ("deadlock", 503, "unavailable", "The database is busy with the same rows at the moment. Nothing was changed."),
        ("full", 503, "unavailable", "The database is full at the moment. Nothing was changed."),
        ("too_complex", 500, "internal_error", "Something went wrong on our side"),
    ],
)
def test_a_failure_is_a_problem_and_leaves_nothing_behind(tenant, api_client, failure, status, code, detail):
    body = problem(answer := api_client("viewer").get(f"/api/v1/probe/fail/{failure}"))
    assert (answer.status_code, body["code"]) == (status, code)
    assert detail in body["detail"]
    with tenant_context(tenant.id):
        assert Tenant.objects.get(id=tenant.id).name != "renamed by a request that failed"


def test_a_bug_tells_nothing_but_the_id_under_which_it_is_logged(api_client, caplog):
    body = problem(api_client("viewer").get("/api/v1/probe/fail/bug"))
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id"}
    assert "ZeroDivisionError" not in str(body)
    record = next(record for record in caplog.records if "request failed" in record.getMessage())
    assert body["request_id"] and body["request_id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert record.levelname == "ERROR"


def test_a_conflict_brings_the_present_state_and_its_etag(api_client):
    answer = api_client("viewer").get("/api/v1/probe/fail/conflict")
    assert answer.headers["ETag"] == '"4"'
    assert problem(answer)["current"] == {"version": 4}


@pytest.mark.parametrize("failure", ["disconnect", "read_only"])
def test_what_may_work_in_a_moment_says_when_to_try_again(api_client, failure):
    assert api_client("viewer").get(f"/api/v1/probe/fail/{failure}").headers["Retry-After"] == "1"


def test_a_lost_connection_does_not_poison_the_next_request(tenant, api_client):
    client = api_client("viewer")
    for _ in range(3):
        assert client.get("/api/v1/probe/fail/disconnect").status_code == 503
        after = client.get("/api/v1/probe/look")
        assert (after.status_code, after.json()["tenant"]) == (200, str(tenant.id))
        assert not connection.in_atomic_block


def test_a_commit_that_fails_is_not_a_success(api_client):
    client = api_client("viewer")
    body = problem(answer := client.get("/api/v1/probe/commit"))
    assert (body["status"], body["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert client.get("/api/v1/probe/look").status_code == 200


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
@pytest.mark.parametrize("address", ["/api/v1/nowhere", "/api/", "/api/v2/customers", "/api/v1/probe/look/"])
def test_an_unknown_address_is_a_problem_in_development_too(api_client, address, method, debug):
    with override_settings(DEBUG=debug):
        answer = getattr(api_client(None), method)(address)
    assert answer.status_code == 404
    assert problem(answer)["code"] == "not_found"


def test_outside_the_api_errors_are_pages(api_client):
    client = api_client(None)
    with override_settings(DEBUG=False):
        missing, broken = client.get("/nowhere"), client.get("/broken")
    assert (missing.status_code, broken.status_code) == (404, 500)
    assert missing.headers["Content-Type"].startswith("text/html")
    assert broken.headers["Content-Type"].startswith("text/html")


def test_a_bug_in_a_plain_view_under_the_api_is_a_problem(api_client):
    with override_settings(DEBUG=False):
        assert problem(api_client(None).get("/api/v1/broken"))["code"] == "internal_error"


def test_a_method_that_the_address_does_not_have_is_a_405(api_client):
    client = api_client("tenant_admin")
    for method in ("delete", "options", "patch", "trace"):
        answer = client.generic(method.upper(), "/api/v1/probe/look")
        assert (answer.status_code, problem(answer)["code"]) == (405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("address", "methods"),
    [
        ("probe/look", "GET, POST, PUT, HEAD"),
        ("customers", "GET, PUT, HEAD"),
        ("customers/00000000-0000-0000-0000-000000000000/lifecycle", "GET, PATCH, HEAD"),
        ("configuration/preview", "POST"),
        ("auth/token", "POST"),
        ("auth/token/refresh", "POST"),
        ("schema", "GET, HEAD"),
    ],
)
def test_the_methods_of_an_address_are_named_without_options_which_none_has(api_client, address, methods):
    answer = api_client("tenant_admin").options(f"/api/v1/{address}")
    assert (answer.status_code, problem(answer)["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == methods


def test_an_answer_names_the_methods_without_options_too(api_client):
    answer = api_client("viewer").get("/api/v1/customers")
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, PUT, HEAD")


def test_only_json_is_sent(api_client):
    answer = api_client("viewer").get("/api/v1/probe/look", HTTP_ACCEPT="application/xml")
    assert (answer.status_code, problem(answer)["code"]) == (406, "not_acceptable")
    for accepted in ("*/*", "application/json", "application/problem+json, application/json;q=0.9"):
        assert api_client("viewer").get("/api/v1/probe/look", HTTP_ACCEPT=accepted).status_code == 200


@pytest.mark.parametrize("accepted", ["", " ", ",", " , ,"])
def test_an_accept_that_names_nothing_is_as_good_as_none(api_client, accepted):
    for address in ("/api/v1/probe/look", "/api/v1/customers", "/api/v1/customers/export?format=csv"):
        assert api_client("viewer").get(address, HTTP_ACCEPT=accepted).status_code == 200
    # A name that is too long to be a media type is one that is not sent.
    answer = api_client("viewer").get("/api/v1/probe/look", HTTP_ACCEPT="x" * 9000)
    assert (answer.status_code, problem(answer)["code"]) == (406, "not_acceptable")


def test_only_json_is_read(api_client):
    client = api_client("account_manager")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"):
        answer = client.generic("POST", "/api/v1/probe/look", b"stage=Active", content_type=kind)
        assert (answer.status_code, problem(answer)["code"]) == (415, "unsupported_media_type")


def test_each_bad_field_has_a_pointer(api_client):
    answer = api_client("account_manager").post("/api/v1/probe/look", {"stage": "x" * 11, "items": [1, "two", 3, None]})
    body = problem(answer)
    assert (body["status"], body["code"]) == (400, "invalid_request")
    assert body["errors"] == [
        {"pointer": "#/stage", "detail": "Ensure this field has no more than 10 characters.", "code": "max_length"},
        {"pointer": "#/items/1", "detail": "A valid integer is required.", "code": "invalid"},
        {"pointer": "#/items/3", "detail": "This field may not be null.", "code": "null"},
    ]
    assert body["detail"] == "3 fields of the request are wrong; see errors."


def test_a_missing_body_is_a_missing_field(api_client):
    client = api_client("account_manager")
    for answer in (client.post("/api/v1/probe/look"), client.post("/api/v1/probe/look", {})):
        assert problem(answer)["errors"][0] | {"detail": ""} == {"pointer": "#/stage", "detail": "", "code": "required"}


def test_a_view_without_a_permission_is_closed(api_client):
    for role in ("viewer", "tenant_admin", "super_admin"):
        assert problem(api_client(role).get("/api/v1/probe/forgetful"))["code"] == "permission_denied"


def test_a_denial_says_whom_to_ask(api_client):
    body = problem(api_client("viewer").post("/api/v1/probe/look", {"stage": "Active"}))
    assert body["detail"] == "You have view-only access. Ask an account manager."


def refused_attempts(tenant):
    with tenant_context(tenant.id):
        return list(RefusedAttempt.objects.filter(tenant_id=tenant.id).order_by("id"))


def test_a_denied_change_is_on_record_although_its_request_was_rolled_back(tenant, users, api_client, caplog):
    api_client("viewer").post("/api/v1/probe/look", {"stage": "Active"})
    (attempt,) = refused_attempts(tenant)
    assert (attempt.actor, attempt.actor_kind) == (str(users.viewer.id), "user")
    assert (attempt.source, attempt.code) == ("API", "permission_denied")
    assert attempt.detail.startswith("You have view-only access.")
    assert attempt.request_id is not None
    assert "lifecycle change refused" in caplog.text


def test_a_denied_configuration_is_on_record_and_a_denied_look_is_not(tenant, api_client):
    client = api_client("viewer")
    client.put("/api/v1/probe/look")
    client.get("/api/v1/probe/forgetful")
    client.get("/api/v1/probe/look")
    assert [attempt.code for attempt in refused_attempts(tenant)] == ["permission_denied"]


def test_a_change_over_the_budget_is_a_429_with_headers_and_on_record(tenant, users, api_client, settings):
    from tests.factories import CustomerFactory

    settings.UPDATES_PER_HOUR = 2
    client = api_client("account_manager")
    customers = CustomerFactory.create_batch(3, tenant=tenant)
    answers = [client.patch(f"/api/v1/customers/{row.id}/lifecycle", {"stage": "Active"}) for row in customers]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit"].startswith('"updates";r=1;t=')
    body = problem(answers[2])
    assert body["code"] == "rate_limited"
    assert answers[2].headers["Retry-After"] == str(body["retry_after"])
    assert answers[2].headers["RateLimit"].startswith('"updates";r=0;t=')
    assert answers[2].headers["RateLimit-Policy"] == '"updates";q=2;w=3600'
    (attempt,) = refused_attempts(tenant)
    assert (attempt.code, attempt.customer_id) == ("rate_limited", customers[2].id)


def test_attempts_that_cannot_be_written_do_not_change_the_answer(tenant, api_client, monkeypatch, caplog):
    from django.db import DatabaseError

    from tenants import middleware

    def fail(refusals, **_):
        raise DatabaseError("disk full")

    monkeypatch.setattr(middleware, "record_refusals", fail)
    answer = api_client("viewer").post("/api/v1/probe/look", {"stage": "Active"})
    assert (answer.status_code, problem(answer)["code"]) == (403, "permission_denied")
    assert "refused attempts could not be written" in caplog.text
    assert refused_attempts(tenant) == []


def test_one_request_records_sixty_attempts_at_most_and_counts_the_others(tenant, users, django_assert_num_queries):
    from django.http import HttpRequest, HttpResponse

    from tenants.authentication import identify
    from tenants.middleware import RecordRefusedAttempts, note_refusal
    from tenants.services.accounts.membership import read_membership

    identity = identify(read_membership(users.account_manager.id), granted=None, slug=None)

    def view(request):
        for number in range(1500):
            note_refusal(request, identity, source="API", code="reason_required", detail=f"{number}: " + "x" * 600)
        return HttpResponse()

    with django_assert_num_queries(6):  # BEGIN, the tenant, the turn, what was kept, INSERT, COMMIT
        RecordRefusedAttempts(view)(HttpRequest())
    attempts = refused_attempts(tenant)
    assert (len(attempts), sum(attempt.more for attempt in attempts)) == (60, 940)
    assert {len(attempt.detail) for attempt in attempts} == {500}
