"""The webhooks that are sent to a tenant's endpoints, as their receiver sees them."""

from typing import Any, Final

from lifecycle.api.openapi.configuration import reference
from lifecycle.delivery.samples import SAMPLE_TYPE
from lifecycle.delivery.senders import WEBHOOK_TYPE

TAG: Final = "webhooks"
_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_ID: Final = {"type": "string", "format": "uuid"}


def _object(properties: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _message(type_: str, data: dict[str, Any], description: str) -> dict[str, Any]:
    return _object({"type": {"type": "string", "const": type_}, "timestamp": _MOMENT, "data": data}, description)


COMPONENTS: Final[dict[str, Any]] = {
    "LifecycleChangedMessage": _message(
        WEBHOOK_TYPE,
        _object(
            {
                "effect": {**_TEXT, "description": "The name of the effect in the tenant's configuration."},
                "tenant": {**_TEXT, "description": "The tenant's slug."},
                "customer_id": _ID,
                "external_id": _TEXT,
                "name": _TEXT,
                "from_stage": {"type": ["string", "null"], "description": "null: the customer's first stage."},
                "to_stage": _TEXT,
                "reason_code": _TEXT,
                "source": {**_TEXT, "description": "How the change came about, as the history names it."},
                "changed_at": _MOMENT,
                "effective_at": _MOMENT,
                "sequence": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "The customer's version: messages may arrive in another order than they were sent.",
                },
                "causationdepth": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "How many changes of event rules led to this one. An event that you send because of"
                    " it carries the same number as its attribute causationdepth; at 3 the rules move no one.",
                },
            },
            "What happened to the customer.",
        ),
        "A customer changed stage, and an effect of the configuration sends it here.",
    ),
    "SampleMessage": _message(
        SAMPLE_TYPE,
        _object({"tenant": _TEXT, "sequence": {"type": "integer", "const": 0}}, "Nothing that happened."),
        "A sample, sent when an admin tests the endpoint.",
    ),
}


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string", **schema},
    }


_HEADERS: Final = [
    _header("webhook-id", "The id of the message, the same however often it is sent: take it once.", maxLength=255),
    _header("webhook-timestamp", "Seconds since 1970. Refuse what is older than five minutes.", pattern="^[0-9]+$"),
    _header(
        "webhook-signature",
        "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` with the endpoint's secret (`whsec_...`), as in"
        " Standard Webhooks 1.0. While the secret is replaced two, with a space between them: one must fit.",
        pattern="^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$",
    ),
]
_RESPONSES: Final = {
    "2XX": {"description": "Taken. Answer within 15 seconds, and do the work afterwards."},
    "410": {"description": "Nothing more is wanted: the endpoint is switched off."},
    "default": {
        "description": "Not taken. It is tried ten times within three days; Retry-After is honored, up to a day."
        " Redirects are not followed."
    },
}


def _webhook(operation_id: str, summary: str, component: str) -> dict[str, Any]:
    return {
        "post": {
            "operationId": operation_id,
            "tags": [TAG],
            "summary": summary,
            "description": "At least once: a message that may have arrived is sent again. `manage.py receive_webhooks`"
            " is a receiver to build against.",
            "security": [],
            "parameters": _HEADERS,
            "requestBody": {"required": True, "content": {"application/json": {"schema": reference(component)}}},
            "responses": _RESPONSES,
        }
    }


WEBHOOKS: Final[dict[str, Any]] = {
    WEBHOOK_TYPE: _webhook("receive_lifecycle_change", "A customer changed stage.", "LifecycleChangedMessage"),
    SAMPLE_TYPE: _webhook("receive_sample", "An admin tests the endpoint.", "SampleMessage"),
}
