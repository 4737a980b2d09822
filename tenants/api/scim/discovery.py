"""What this server can do, in the words of RFC 7643, sections 5 to 7."""

from typing import Any, Final

from tenants.services.accounts.people import TENANT_ROLES

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
PROVIDER: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
MOST: Final = 200
DOCUMENTATION: Final = "https://datatracker.ietf.org/doc/html/rfc7644"


def provider_config(home: str) -> dict[str, Any]:
    """``/ServiceProviderConfig``. ``home``: the address that the others begin with."""
    no = {"supported": False}
    return {
        "schemas": [PROVIDER],
        "documentationUri": DOCUMENTATION,
        "patch": {"supported": True},
        "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MOST},
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "API key",
                "description": "Authorization: Bearer, with an API key of a service account that may manage_people.",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{home}/ServiceProviderConfig"},
    }


def resource_types(home: str) -> list[dict[str, Any]]:
    """``/ResourceTypes``."""
    return [
        {
            "schemas": [RESOURCE_TYPE],
            "id": "User",
            "name": "User",
            "description": "A person of the tenant.",
            "endpoint": "/Users",
            "schema": USER,
            "meta": {"resourceType": "ResourceType", "location": f"{home}/ResourceTypes/User"},
        }
    ]


def _attribute(name: str, description: str, **more: Any) -> dict[str, Any]:
    kind = more.pop("type", "string")
    text = {"caseExact": False, "uniqueness": "none"} if kind == "string" else {}
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": description,
        "required": False,
        "mutability": "readWrite",
        "returned": "default",
        **text,
        **more,
    }


ATTRIBUTES: Final = (
    _attribute("userName", "Their name at log-in; the e-mail address is the usual choice.", required=True)
    | {"uniqueness": "server"},
    _attribute("displayName", "What they are called."),
    _attribute("active", "Whether they may log in. False ends their sessions and tokens.", type="boolean")
    | {"required": True},
    _attribute(
        "roles",
        "What they may do: one role.",
        type="complex",
        multiValued=True,
        required=True,
        subAttributes=[
            _attribute("value", "The role.", required=True, canonicalValues=[role.value for role in TENANT_ROLES]),
        ],
    ),
    _attribute(
        "emails",
        "The e-mail address, where the user name is one.",
        type="complex",
        multiValued=True,
        mutability="readOnly",
        subAttributes=[
            _attribute("value", "The address.", mutability="readOnly"),
            _attribute("primary", "Always true.", type="boolean", mutability="readOnly"),
        ],
    ),
)


def schemas(home: str) -> list[dict[str, Any]]:
    """``/Schemas``."""
    return [
        {
            "schemas": [SCHEMA],
            "id": USER,
            "name": "User",
            "description": "A person of the tenant, as far as this product keeps them.",
            "attributes": list(ATTRIBUTES),
            "meta": {"resourceType": "Schema", "location": f"{home}/Schemas/{USER}"},
        }
    ]
