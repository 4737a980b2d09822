"""What is known of one customer, each question one statement, in the tenant's context or in one of its own.

Money comes as text with two decimals, so that no float ever touches it.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, Field, fields_of
from tenants.context import look_as_tenant

Row = dict[str, Any]
# Part -> the alias of its table in every statement.
ALIASES: Final = {COMPANY: "c", BILLING: "b", SUPPORT: "u"}
# Kinds that would come as numbers or dates of Python.
_AS_TEXT: Final = ("amount", "day", "score")


def select(field: Field) -> str:
    """The column of a field as it is selected: amounts, scores and days as text."""
    return f"{ALIASES[field.part]}.{field.name}{'::text' if field.kind.name in _AS_TEXT else ''}"


_STATUS: Final = """
    s.customer_id, s.stage, s.stage_entered_at, s.updated_at, s.updated_by, s.actor_kind, s.source, s.reason_code,
    s.version"""
_COMPANY: Final = ", ".join(select(field) for field in fields_of(COMPANY))
_BILLING: Final = ", ".join(select(field) for field in fields_of(BILLING))
_SUPPORT: Final = ", ".join(select(field) for field in fields_of(SUPPORT))
# What a copy of figures or profile was made from (``services.cache``).
_PROFILE_VERSION: Final = "c.version + COALESCE(b.version, 0) + COALESCE(u.version, 0) AS profile_version"
_RECORD: Final = ", ".join(
    f"{alias}.{name} AS {part}_{name}"
    for part, alias in ALIASES.items()
    for name in ("field_times", "field_sources", "overruled")
)
_OF_CUSTOMER: Final = "WHERE c.tenant_id = %(tenant_id)s::uuid AND c.id = %(customer_id)s::uuid"

STATUS: Final = f"""
SELECT {_STATUS}, t.configuration_version, h.configuration_version AS judged_by
  FROM customer_lifecycle_status s JOIN tenants_tenant t ON t.id = s.tenant_id
  LEFT JOIN customer_lifecycle_history h
    ON h.tenant_id = s.tenant_id AND h.customer_id = s.customer_id AND h.sequence = s.version
 WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = %(customer_id)s::uuid
"""
SUMMARY: Final = f"""
SELECT {_STATUS}, t.configuration_version, c.name, c.owner, {_PROFILE_VERSION}, {_BILLING}, {_SUPPORT}
  FROM lifecycle_customer c
  JOIN tenants_tenant t ON t.id = c.tenant_id
  JOIN customer_lifecycle_status s ON s.tenant_id = c.tenant_id AND s.customer_id = c.id
  LEFT JOIN lifecycle_billingfigures b ON b.customer_id = c.id
  LEFT JOIN lifecycle_supportfigures u ON u.customer_id = c.id
 {_OF_CUSTOMER}
"""
PROFILE: Final = f"""
SELECT c.id, c.external_id, {_COMPANY}, c.source AS company_source,
       c.occurred_at AS company_occurred_at, c.created_at, c.updated_at AS company_updated_at, c.erased_at,
       t.configuration_version, {_PROFILE_VERSION}, {_BILLING},
       b.source AS billing_source, b.event_id AS billing_event_id, b.occurred_at AS billing_occurred_at,
       {_SUPPORT}, u.source AS support_source, u.event_id AS support_event_id,
       u.occurred_at AS support_occurred_at, c.pins, c.pins_until, {_RECORD}
  FROM lifecycle_customer c
  JOIN tenants_tenant t ON t.id = c.tenant_id
  LEFT JOIN lifecycle_billingfigures b ON b.customer_id = c.id
  LEFT JOIN lifecycle_supportfigures u ON u.customer_id = c.id
 {_OF_CUSTOMER}
"""

STATUS_FIELDS: Final = (
    "customer_id",
    "stage",
    "stage_entered_at",
    "updated_at",
    "updated_by",
    "actor_kind",
    "source",
    "reason_code",
    "version",
)


def find_status(tenant_id: UUID, customer_id: UUID) -> Row | None:
    """The customer's stage, ``configuration_version``, the live one, and ``judged_by``, that of the last change.

    None if there is no such customer.
    """
    return _find(STATUS, tenant_id, customer_id)


def find_summary(tenant_id: UUID, customer_id: UUID) -> Row | None:
    """Status, name, owner, billing and support figures, ``profile_version`` and ``configuration_version``."""
    return _find(SUMMARY, tenant_id, customer_id)


def find_profile(tenant_id: UUID, customer_id: UUID) -> Row | None:
    """Company data, figures and who reported them; without contacts, which are encrypted, and without the status."""
    return _find(PROFILE, tenant_id, customer_id)


def pick(row: Mapping[str, Any], fields: tuple[str, ...]) -> Row:
    """Some of a row's columns."""
    return {field: row[field] for field in fields}


def _find(statement: str, tenant_id: UUID, customer_id: UUID) -> Row | None:
    rows = look_as_tenant(tenant_id, statement, {"tenant_id": tenant_id, "customer_id": customer_id})
    return rows[0] if rows else None
