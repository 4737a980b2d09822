"""The API describes itself truthfully. What programs make of the description is for tests/clients."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from config.problems import PROBLEM_TYPE
from lifecycle.api.docs import build_schema
from lifecycle.api.openapi.parameters import SANDBOX_HEADER
from tenants.refusals import STATUS_OF_CODE
from tenants.rules.values import read_amount

SCHEMA = "/api/v1/schema"


@pytest.fixture
def anonymous(api_client):
    return api_client(None)


def test_anyone_may_read_the_schema_as_json_or_yaml(anonymous):
    answer = anonymous.get(SCHEMA)
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, HEAD")
    assert answer.json()["openapi"] == "3.1.0"
    as_yaml = anonymous.get(SCHEMA, HTTP_ACCEPT="application/yaml")
    assert yaml.load(as_yaml.content, yaml.CSafeLoader)["paths"].keys() == answer.json()["paths"].keys()


def test_the_kept_description_is_the_present_one(db):
    kept = yaml.load(Path("docs/openapi.yaml").read_text(), yaml.CSafeLoader)
    assert kept == build_schema(), "docs/openapi.yaml is behind: run make openapi"


def test_amounts_are_described_with_all_decimals_that_a_currency_has(db):
    amounts = [str(read_amount("7", currency)) for currency in ("JPY", "EUR", "KWD", "CLF")]
    assert amounts == ["7", "7.00", "7.000", "7.0000"]
    described = {
        (name, field): schema["properties"][field]["pattern"]
        for name, schema in build_schema()["components"]["schemas"].items()
        for field in {"arr", "mrr", "balance_overdue"} & schema.get("properties", {}).keys()
        if schema["properties"][field].get("format") == "decimal"
    }
    assert {name for name, _field in described} >= {"AmountResponse", "BillingResponse", "CustomerRowResponse"}
    refused = [name for name, pattern in described.items() if not all(re.search(pattern, one) for one in amounts)]
    assert refused == []


def test_every_action_names_its_refusals_and_asks_for_a_token(db):
    for path, operations in build_schema()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/v1/auth/"):
                continue
            assert {"400", "401", "403", "404", "406"} <= operation["responses"].keys(), (method, path)
            assert {"bearer": []} in operation["security"]
            assert operation["operationId"] and operation["tags"] and operation["description"]


def test_a_page_of_a_list_is_one_object_and_no_list_of_pages(db):
    schema = build_schema()
    pages = {
        f"#/components/schemas/{name}" for name in schema["components"]["schemas"] if name.endswith("PageResponse")
    }
    answers = {
        operation["operationId"]: operation["responses"]["200"]["content"]["application/json"]["schema"]
        for path in schema["paths"].values()
        for operation in path.values()
        if "application/json" in operation.get("responses", {}).get("200", {}).get("content", {})
    }
    assert {answer["$ref"] for answer in answers.values() if answer.get("$ref") in pages} == pages
    assert [name for name, answer in answers.items() if answer.get("items", {}).get("$ref") in pages] == []


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
            if content_type not in operation.get("requestBody", {}).get("content", {content_type: {}}):
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


def test_every_good_answer_but_the_log_in_s_says_how_a_sandbox_is_known(db):
    schema = build_schema()
    header = schema["components"]["headers"][SANDBOX_HEADER]
    assert header["schema"] == {"type": "string", "const": "resets=daily"}
    named = {"$ref": f"#/components/headers/{SANDBOX_HEADER}"}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                wanted = status.startswith("2") and not path.startswith("/api/v1/auth/")
                assert response.get("headers", {}).get(SANDBOX_HEADER) == (named if wanted else None), (method, path)


def walk(node):
    """Every object of the description."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from walk(inner)


def test_what_has_a_name_is_described_once(db):
    schema = build_schema()
    titles = Counter(node["title"] for node in walk(schema) if isinstance(node.get("title"), str))
    assert [title for title, times in titles.items() if times > 1] == []
    components = schema["components"]["schemas"] | schema["components"]["headers"]
    used = {node["$ref"].rsplit("/", 1)[-1] for node in walk(schema) if "$ref" in node}
    assert used == set(components), "each component is used, and each reference leads to one"
    for address, method in (("", "get"), ("", "put"), ("/preview", "post")):
        operation = schema["paths"][f"/api/v1/configuration{address}"][method]
        inline = [node for node in walk(operation) if "event_rules" in node.get("properties", {})]
        assert inline == []


# A body says why, and need not.
MAY_SAY_NOTHING = {
    "accept_proposal",
    "begin_backtest",
    "begin_health_backtest",
    "change_task",
    "change_task_by_id",
    "change_view",
    "export_customer",
    "reveal_contacts",
    "set_notification_preferences",
    "undo_transitions",
}


def test_every_action_says_what_is_answered_when_the_service_is_at_fault(db):
    schema = build_schema()
    assert [server["url"] for server in schema["servers"]] == ["/"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"500", "503"} <= responses.keys(), (method, path)
            assert "Retry-After" in responses["503"]["headers"]
            assert all(response["description"] for response in responses.values())
            if "429" in responses:
                assert "Retry-After" in responses["429"]["headers"]
            if "requestBody" in operation:
                assert operation["requestBody"]["required"] is (operation["operationId"] not in MAY_SAY_NOTHING)
    for path, method in (("/customers/{customer_id}/lifecycle", "patch"), ("/lifecycle/transitions", "post")):
        headers = schema["paths"][f"/api/v1{path}"][method]["responses"]["429"]["headers"]
        assert headers.keys() == {"Retry-After", "RateLimit", "RateLimit-Policy"}


def test_every_code_of_a_refusal_is_named_with_its_status(db):
    described = {}
    for node in walk(build_schema()["paths"]):
        for status, response in node.get("responses", {}).items():
            if PROBLEM_TYPE in response.get("content", {}):
                codes = response["description"].partition("Codes: ")[2]
                described |= dict.fromkeys(re.findall("`([a-z_]+)`", codes), int(status))
    # A wrong method is no action.
    unseen = {"method_not_allowed"}
    assert described == {code: status for code, status in STATUS_OF_CODE.items() if code not in unseen}


def test_a_service_account_s_key_and_a_token_are_two_ways_in(db):
    schema = build_schema()
    schemes = schema["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == {
        "bearer": "http",
        "apiKey": "http",
        "session": "apiKey",
    }
    assert {"apiKey": []} in schema["paths"]["/api/v1/customers"]["get"]["security"]


def test_what_a_request_may_not_say_is_said(db):
    components = build_schema()["components"]["schemas"]
    change = components["ChangeRequest"]
    assert change["required"] == ["stage"]
    assert change["additionalProperties"] is False
    assert set(change["properties"]) == {
        "stage",
        "updated_by",
        "reason_code",
        "note",
        "confirm_effects",
        "mute_effects",
    }
    texts = [text for name, schema in components.items() if name.endswith("Request") for text in walk(schema)]
    for text in texts:
        if "string" in text.get("type", ()) and "enum" not in text:
            assert {"pattern", "format"} & text.keys(), text
            assert "maxLength" in text or "format" in text, text
    batch = components["BatchRequest"]["properties"]["items"]
    assert (batch["minItems"], batch["maxItems"]) == (1, 1000)


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
