"""The API describes itself truthfully: answers fit the schema, and nothing that is sent breaks anything."""

import re
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
import yaml
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lifecycle.api.docs import build_schema
from tenants.services.tokens import issue_access
from tests.factories import CustomerFactory

SCHEMA = "/api/v1/schema"
CHECKS = (response_schema_conformance, content_type_conformance, status_code_conformance)


@pytest.fixture
def anonymous(api_client):
    return api_client(None)


def test_anyone_may_read_the_schema_as_json_or_yaml(anonymous):
    answer = anonymous.get(SCHEMA)
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, HEAD")
    assert answer.json()["openapi"] == "3.1.0"
    as_yaml = anonymous.get(SCHEMA, HTTP_ACCEPT="application/yaml")
    assert yaml.safe_load(as_yaml.content)["paths"].keys() == answer.json()["paths"].keys()


def test_the_kept_description_is_the_present_one(db):
    kept = yaml.safe_load(Path("docs/openapi.yaml").read_text())
    assert kept == build_schema(), "docs/openapi.yaml is behind: run make openapi"


def test_every_action_names_its_refusals_and_asks_for_a_token(db):
    for path, operations in build_schema()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/v1/auth/"):
                continue
            assert {"400", "401", "403", "404", "406"} <= operation["responses"].keys(), (method, path)
            assert {"bearer": []} in operation["security"]
            assert operation["operationId"] and operation["tags"] and operation["description"]


def test_every_action_that_reads_a_body_says_that_it_reads_only_json(db):
    for path, operations in build_schema()["paths"].items():
        for method, operation in operations.items():
            assert "406" in operation["responses"], (method, path)
            assert ("415" in operation["responses"]) == ("requestBody" in operation), (method, path)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_what_is_no_json_is_answered_as_described(api_client, customer, content_type):
    client = api_client("tenant_admin")
    for path, operations in build_schema()["paths"].items():
        address = path.replace("{customer_id}", str(customer.id))
        for method, operation in operations.items():
            answer = client.generic(method.upper(), address, HTTP_ACCEPT="text/html")
            assert answer.status_code == 406, (method, path)
            if "requestBody" in operation:
                answer = client.generic(method.upper(), address, b"stage=Active", content_type=content_type)
                assert answer.status_code == 415, (method, path)


def test_the_headers_of_a_change_are_described_with_every_answer_that_has_them(api_client, tenant, customer):
    def described(path, method, status):
        return build_schema()["paths"][path][method]["responses"][str(status)].get("headers", {}).keys()

    one, many = "/api/v1/customers/{customer_id}/lifecycle", "/api/v1/lifecycle/transitions"
    client = api_client("account_manager")
    address = one.replace("{customer_id}", str(customer.id))
    for body, tag, status in (
        ({"stage": "Nowhere"}, '"1"', 400),
        ({"stage": "Active"}, '"1"', 200),
        ({"stage": "Onboarded"}, '"1"', 412),
    ):
        answer = client.patch(address, body, headers={"If-Match": tag})
        assert answer.status_code == status
        assert "ETag" in answer.headers and "ETag" in described(one, "patch", status)
    items = [{"customer_id": str(customer.id), "stage": stage} for stage in ("Onboarded", "Nowhere")]
    for _ in range(2):
        answer = client.post(many, {"items": items}, headers={"Idempotency-Key": "twice"})
        assert answer.status_code == 207
        sent = {"RateLimit-Policy", "RateLimit", "Idempotency-Replayed"} & answer.headers.keys()
        assert sent and sent <= described(many, "post", 207)


def test_what_a_request_may_not_say_is_said(db):
    components = build_schema()["components"]["schemas"]
    change = components["ChangeRequest"]
    assert change["required"] == ["stage"]
    assert change["additionalProperties"] is False
    assert set(change["properties"]) == {"stage", "updated_by", "reason_code", "note"}


def test_the_page_of_the_schema_runs_under_the_strict_policy(anonymous):
    page = anonymous.get("/api/docs")
    assert (page.status_code, page.headers["Allow"]) == (200, "GET, HEAD")
    text = page.content.decode()
    assert "<style" not in text and " style=" not in text and " on" not in re.sub(r"content=\S+", "", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    script = anonymous.get(re.findall(r'<script src="([^"]*script[^"]*)"', text)[-1].replace("&amp;", "&"))
    assert script.status_code == 200
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert b"/api/v1/schema" in script.content


def over_https(environ, start_response):
    """The application as the proxy shows it."""
    environ["wsgi.url_scheme"] = "https"
    return get_wsgi_application()(environ, start_response)


@pytest.mark.parametrize("who", ["tenant_admin", "viewer"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_nothing_breaks_and_every_answer_is_as_described(db, tenant, users, who, mode):
    """Schemathesis sends what the schema allows, or what it does not."""
    headers = {"Authorization": f"Bearer {issue_access(users.of(who)).token}"}
    customers = [str(CustomerFactory(tenant=tenant).id) for _ in range(3)]
    schema = schemathesis.openapi.from_wsgi(SCHEMA, over_https)
    answered = Counter()

    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis_settings(
            max_examples=12,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def knock(case):
            if "customer_id" in (case.path_parameters or {}) and answered.total() % 2:
                case.path_parameters["customer_id"] = customers[answered.total() % 3]
            if answered.total() % 5:
                case.headers.pop("X-Tenant", None)
            response = case.call(headers=headers)
            answered[response.status_code] += 1
            assert response.status_code < 500, (case.as_curl_command(), response.text)
            case.validate_response(response, checks=CHECKS)

        knock()
    assert answered.total() > 100
    assert answered[200] > 10 or mode is GenerationMode.NEGATIVE
