"""What no decorator can say: a hook of drf-spectacular (SPECTACULAR_SETTINGS)."""

from typing import Any, Final

from lifecycle.api.customer_responses import ALWAYS
from lifecycle.api.customer_serializers import MOST_CONTACTS
from lifecycle.api.openapi import webhooks
from lifecycle.api.openapi.configuration import COMPONENTS, NO_NUL, PARAGRAPHS, reference
from lifecycle.api.openapi.parameters import SANDBOX_HEADER, SANDBOX_RESETS
from lifecycle.api.openapi.refusals import EVERYWHERE, PROBLEM_TYPE, describe_status
from lifecycle.api.serializers import MOST_ITEMS

_LOGIN: Final = "/api/v1/auth/"
_RESET: Final = f"{_LOGIN}password-reset"
_ONE: Final = "/api/v1/customers/{customer_id}"
# From one answer to the next request: (path, method) -> name -> link.
_FIRST: Final = "$response.body#/results/0/customer_id"
_LINKS: Final[dict[tuple[str, str], dict[str, dict[str, Any]]]] = {
    ("/api/v1/customers", "get"): {
        name: {"operationId": name, "parameters": {"customer_id": _FIRST}}
        for name in ("get_customer", "get_lifecycle", "get_summary", "list_history")
    }
    | {
        "find_customer": {
            "operationId": "find_customer",
            "parameters": {"external_id": "$response.body#/results/0/external_id"},
        }
    },
    (f"{_ONE}/lifecycle", "get"): {
        "move_customer": {
            "operationId": "move_customer",
            "parameters": {
                "customer_id": "$request.path.customer_id",
                "header.If-Match": "$response.header.ETag",
            },
            "requestBody": {"stage": "$response.body#/transitions/0/stage"},
        }
    },
    ("/api/v1/auth/token", "post"): {
        "refresh_token": {"operationId": "refresh_token", "requestBody": {"refresh": "$response.body#/refresh"}}
    },
}


# The tenant is a sandbox. Described once and named at each answer that is none of the log-in's.
_SANDBOX: Final[dict[str, Any]] = {
    "description": "Only where the tenant is a sandbox, whose data are replaced every day.",
    "schema": {"type": "string", "const": SANDBOX_RESETS},
}
# Texts that have to say something, by component.
_SAYING: Final = {
    "NoteRequest": "text",
    "TaskRequest": "title",
    "TaskChangeRequest": "title",
    "PinRequest": "reason",
    "SavedViewRequest": "name",
    "SavedViewChangeRequest": "name",
}


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The description with servers, the configuration's components, the refusals of the log-in, links, and webhooks."""
    schemas: dict[str, Any] = result["components"]["schemas"]
    for name, component in schemas.items():
        if name.endswith("Request"):
            # An unknown key is an error everywhere.
            component["additionalProperties"] = False
            if name in _SAYING:
                component["properties"][_SAYING[name]] |= {"minLength": 1, "pattern": PARAGRAPHS}
            _refuse_nul(component["properties"])
    for name in ("BatchRequest", "CustomerBatchRequest"):
        schemas[name]["properties"]["items"] |= {"minItems": 1, "maxItems": MOST_ITEMS}
    for name in ("CustomerDataRequest", "CustomerItemRequest"):
        schemas[name]["properties"]["contacts"]["maxItems"] = MOST_CONTACTS
    # With ``columns``, a row has these and what was chosen.
    schemas["CustomerRowResponse"]["required"] = sorted(ALWAYS)
    result["components"]["schemas"] = dict(sorted((schemas | COMPONENTS | webhooks.COMPONENTS).items()))
    result["components"]["headers"] = {SANDBOX_HEADER: _SANDBOX}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if path.startswith(_LOGIN):
                refusals = (415, 429, *EVERYWHERE, *(() if path == _RESET else (401,)))
                described = operation["responses"]
                operation["responses"] |= {
                    str(status): _problem(status) for status in refusals if str(status) not in described
                }
                operation["responses"] = dict(sorted(operation["responses"].items()))
            if "requestBody" in operation:
                operation["requestBody"]["required"] = not _may_be_empty(operation["requestBody"], schemas)
            _complete_answers(operation["responses"], of_tenant=not path.startswith(_LOGIN))
            if (path, method) in _LINKS:
                operation["responses"]["200"]["links"] = _LINKS[path, method]
    site = {"url": "/", "description": "The site that this description comes from."}
    return {
        "openapi": result["openapi"],
        "info": result["info"],
        "servers": [site],
        **result,
        "webhooks": webhooks.WEBHOOKS,
    }


_GOOD: Final = {
    "200": "Done, or as asked for.",
    "201": "Made.",
    "202": "It will be done, if there is anything to do.",
    "204": "Done; there is nothing to say.",
}


def _complete_answers(responses: dict[str, dict[str, Any]], *, of_tenant: bool) -> None:
    named = {"$ref": f"#/components/headers/{SANDBOX_HEADER}"}
    for status, response in responses.items():
        # A description may not be empty.
        response["description"] = response["description"] or _GOOD[status]
        if of_tenant and status.startswith("2"):
            response["headers"] = response.get("headers", {}) | {SANDBOX_HEADER: named}


def _may_be_empty(body: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether a request may come without a body, because it need not say anything."""
    (content,) = body["content"].values()
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    component = schemas.get(name, {})
    return "properties" in component and not component.get("required")


def _refuse_nul(properties: dict[str, Any]) -> None:
    for schema in properties.values():
        if "string" in schema.get("type", ()) and not {"format", "enum", "pattern"} & schema.keys():
            schema["pattern"] = NO_NUL


def _problem(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": describe_status(status),
        "content": {PROBLEM_TYPE: {"schema": reference("ProblemResponse")}},
    }
    if status in (429, 503):
        described["headers"] = {
            "Retry-After": {
                "schema": {"type": "integer", "minimum": 0},
                "description": "Seconds after which trying again makes sense.",
            }
        }
    return described
