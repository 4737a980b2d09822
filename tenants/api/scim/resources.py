"""A person as a SCIM resource, and back: whole (POST, PUT) or by operations (PATCH, RFC 7644, section 3.5.2)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from tenants.api.scim.discovery import USER
from tenants.api.scim.errors import ScimRefused
from tenants.models import User
from tenants.roles import Role
from tenants.services.accounts.people import TENANT_ROLES
from tenants.services.accounts.provisioning import Person

PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST_OPERATIONS: Final = 100
ALWAYS: Final = frozenset({"schemas", "id"})
READ_ONLY: Final = frozenset({"id", "meta"})
# Attributes of the core schema that directories send and this product does not keep.
NOT_KEPT: Final = frozenset(
    {"schemas", "name", "nickname", "profileurl", "title", "usertype", "preferredlanguage", "locale", "timezone"}
    | {"password", "emails", "phonenumbers", "ims", "photos", "addresses", "groups", "entitlements"}
    | {"x509certificates"}
)
_PATH = re.compile(
    r"(?:urn:ietf:params:scim:schemas:core:2\.0:User:)?([A-Za-z0-9]+)(?:\[[^\]]*\])?(?:\.[A-Za-z0-9.]+)?", re.I
)
_EXTENSION = re.compile(r"urn:(?!ietf:params:scim:schemas:core:2\.0:User)\S+", re.I)


def show(user: User, home: str) -> dict[str, Any]:
    """The resource of a person."""
    shown: dict[str, Any] = {
        "schemas": [USER],
        "id": str(user.id),
        "externalId": user.external_subject,
        "userName": user.username,
        "displayName": user.full_name,
        "active": user.is_active,
        "roles": [{"value": user.role}],
        "emails": [{"value": user.email, "primary": True}] if user.email else [],
        "meta": {
            "resourceType": "User",
            "created": user.created_at.isoformat(),
            "location": f"{home}/Users/{user.id}",
        },
    }
    return {name: value for name, value in shown.items() if value not in ("", [])}


def choose(resource: dict[str, Any], wanted: Collection[str], left_out: Collection[str]) -> dict[str, Any]:
    """The attributes that were asked for, without those that were not wanted. Sub-attributes go with their own."""
    asked, excluded = ({_top(name) for name in names} for names in (wanted, left_out))
    return {
        name: value
        for name, value in resource.items()
        if name in ALWAYS or (name.lower() in asked if asked else name.lower() not in excluded)
    }


def read_whole(body: Mapping[str, Any], *, role: Role) -> Person:
    """The person whom a whole resource describes; ``role`` where it names none. Raises ScimRefused."""
    given = {name.lower(): value for name, value in body.items()}
    username = _text(given.get("username"), "userName")
    if not username:
        raise ScimRefused(400, "userName is missing. Nothing was changed.", "invalidValue")
    name = _text(given.get("displayname"), "displayName") or _read_name(given.get("name"))
    return Person(
        username=username,
        full_name=name,
        external_id=_text(given.get("externalid"), "externalId"),
        role=role if given.get("roles") in (None, []) else _role(given["roles"]),
        is_active=True if given.get("active") is None else _flag(given["active"]),
    )


def read_operations(body: Mapping[str, Any], person: Person) -> Person:
    """The person after the operations of a PATCH. Raises ScimRefused."""
    given = {name.lower(): value for name, value in body.items()}
    operations = given.get("operations")
    schemas = given.get("schemas")
    if not isinstance(schemas, list) or PATCH not in schemas or not isinstance(operations, list) or not operations:
        raise ScimRefused(400, f"A PATCH has the schema {PATCH} and Operations. Nothing was changed.", "invalidSyntax")
    if len(operations) > MOST_OPERATIONS:
        raise ScimRefused(413, f"At most {MOST_OPERATIONS} operations are taken. Nothing was changed.", "tooMany")
    for operation in operations:
        person = _operate(operation, person)
    return person


def _operate(operation: Any, person: Person) -> Person:
    if not isinstance(operation, dict):
        raise ScimRefused(400, "An operation is an object. Nothing was changed.", "invalidSyntax")
    given = {name.lower(): value for name, value in operation.items()}
    verb, path, value = str(given.get("op", "")).lower(), given.get("path"), given.get("value")
    if verb not in ("add", "replace", "remove"):
        raise ScimRefused(400, "op is add, replace or remove. Nothing was changed.", "invalidSyntax")
    if path is None:
        if verb == "remove":
            raise ScimRefused(400, "remove needs a path. Nothing was changed.", "noTarget")
        if not isinstance(value, dict):
            raise ScimRefused(400, "Without a path the value is an object. Nothing was changed.", "invalidValue")
        for name, one in value.items():
            if _top(name) not in READ_ONLY:
                person = _set(person, _top(name), one, is_known=True)
        return person
    name = _read_path(path)
    if name in READ_ONLY:
        raise ScimRefused(400, f"{path} cannot be changed. Nothing was changed.", "mutability")
    if verb == "remove":
        if name in ("username", "active", "roles"):
            raise ScimRefused(400, f"{path} is needed and cannot be removed. Nothing was changed.", "mutability")
        value = ""
    return _set(person, name, value, is_known=bool(_EXTENSION.fullmatch(path)))


def _set(person: Person, name: str, value: Any, *, is_known: bool) -> Person:
    match name:
        case "username":
            return replace(person, username=_text(value, "userName"))
        case "displayname":
            return replace(person, full_name=_text(value, "displayName"))
        case "externalid":
            return replace(person, external_id=_text(value, "externalId"))
        case "active":
            return replace(person, is_active=_flag(value))
        case "roles":
            return replace(person, role=_role(value))
    if name in NOT_KEPT or is_known:
        return person
    raise ScimRefused(400, f"There is no attribute {name}. Nothing was changed.", "invalidPath")


def _read_path(path: Any) -> str:
    text = path if isinstance(path, str) else ""
    if _EXTENSION.fullmatch(text):
        return text.lower()
    found = _PATH.fullmatch(text)
    if found is None:
        raise ScimRefused(400, "This path cannot be read. Nothing was changed.", "invalidPath")
    return found[1].lower()


def _top(name: str) -> str:
    found = _PATH.fullmatch(name)
    return found[1].lower() if found else name.lower()


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ScimRefused(400, f"{name} is a text. Nothing was changed.", "invalidValue")
    return value


def _flag(value: Any) -> bool:
    """A boolean, also as a text: one large directory sends ``"False"``."""
    text = value.lower() if isinstance(value, str) else value
    if text in (True, "true"):
        return True
    if text in (False, "false"):
        return False
    raise ScimRefused(400, "active is true or false. Nothing was changed.", "invalidValue")


def _role(value: Any) -> Role:
    """One role: a text, an object with a value, or a list of one of them."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    named = one.get("value") if isinstance(one, dict) else one
    roles = {role.value: role for role in TENANT_ROLES} | {role.claim.lower(): role for role in TENANT_ROLES}
    role = roles.get(named.lower()) if isinstance(named, str) else None
    if role is None:
        names = ", ".join(role.value for role in TENANT_ROLES)
        raise ScimRefused(400, f"roles holds one of {names}. Nothing was changed.", "invalidValue")
    return role


def _read_name(value: Any) -> str:
    parts = value if isinstance(value, dict) else {}
    given = {name.lower(): _text(part, "name") for name, part in parts.items()}
    return given.get("formatted") or f"{given.get('givenname', '')} {given.get('familyname', '')}".strip()
