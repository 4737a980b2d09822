"""The whole profile of a customer [FR-01]: what its modules reported, its people, and its stage."""

import contextlib
import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson

from audit.services.keys import load_keys
from lifecycle.models import Contact, Customer
from lifecycle.queries import facts
from lifecycle.rules.fields import COMPANY, names_of
from lifecycle.rules.health import days_in_stage, overdue
from lifecycle.rules.masking import mask_email, mask_phone
from lifecycle.rules.precedence import Rank, rank_by
from lifecycle.services.cache import copies
from lifecycle.services.customers.expired_pins import let_pins_expire
from lifecycle.services.customers.parts import Json, dump, load_status, pick_figures, policy_of
from lifecycle.services.customers.provenance import describe_freshness, describe_provenance, keep_record
from storage import cipher
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.policy import Policy
from tenants.rules.values import InvalidValue, read_external_id, read_kept_external_id

# What the key that encrypts cached profiles is derived for.
PROFILE_KEY = "cached-profile"


def read_profile(
    customer_id: UUID, *, tenant: TenantRef, now: dt.datetime, with_contact_details: bool = False
) -> Json | None:
    """Company, contacts, billing, support and the customer's stage [FR-01].

    E-mail addresses and phone numbers are masked unless ``with_contact_details``. What the modules reported is kept
    for a day, encrypted, because it names people; the status is as fresh as anywhere. One round trip to Redis on a hit.
    Nothing is written: of a pin whose time is over the profile says at once what the row says soon.
    """
    found = _read_whole(customer_id, tenant)
    if found is None:
        return None
    profile, status, policy = found

    def rank_of(path: str) -> Rank:
        return rank_by(() if policy is None else policy.source_order(path))

    let_pins_expire(profile, now=now, rank_of=rank_of)
    if status is not None and policy is not None:
        expected = policy.max_days(status["stage"])
        days = days_in_stage(status["stage_entered_at"], now)
        status |= {
            "category": policy.category(status["stage"]),
            "color": policy.color(status["stage"]),
            "days_in_stage": days,
            "expected_days": expected,
            "days_over": overdue(expected, days),
        }
    if not with_contact_details:
        profile["contacts"] = [_mask(contact) for contact in profile["contacts"]]
    return profile | {
        "lifecycle": status,
        "provenance": describe_provenance(profile, rank_of=rank_of),
        "freshness": describe_freshness(profile),
    }


def _read_whole(customer_id: UUID, tenant: TenantRef) -> tuple[Json, Json | None, Policy | None] | None:
    """The profile as it is kept, the status, and the policy that judges it now."""
    reading = copies.read(tenant.id, customer_id, copies.STATUS, copies.PROFILE)
    raw_status = reading.values[copies.STATUS]
    raw_profile = _decrypt(reading.values[copies.PROFILE], tenant, customer_id)
    configuration = reading.configuration
    if raw_status is None or raw_profile is None or _is_of_former_release(raw_profile):
        with tenant_context(tenant.id):
            row = facts.find_profile(tenant.id, customer_id)
            if row is None:
                return None
            raw_profile = dump(_describe_profile(row, open_contacts(tenant, customer_id)))
            found = facts.find_status(tenant.id, customer_id)
        configuration = row["configuration_version"]
        parts = {copies.PROFILE: (row["profile_version"], _encrypt(raw_profile, tenant, customer_id))}
        if found is not None:
            configuration = found["configuration_version"]
            raw_status = dump(facts.pick(found, facts.STATUS_FIELDS))
            parts[copies.STATUS] = (found["version"], raw_status)
        reading.offer(configuration, **parts)
    status = None if raw_status is None else load_status(raw_status)
    return orjson.loads(raw_profile), status, None if status is None else policy_of(tenant, configuration)


def _is_of_former_release(raw_profile: bytes) -> bool:
    """Whether it does not say where the fields come from, or which contact is which."""
    has_contacts = b'"contacts":[{' in raw_profile
    return b'"record":' not in raw_profile or (has_contacts and b'"contacts":[{"id":' not in raw_profile)


def read_field_provenance(customer_id: UUID, path: str, *, tenant: TenantRef) -> Json | None:
    """Where one field comes from, as this transaction sees it; None if nothing is known of it. One statement.

    Call inside the tenant's context.
    """
    row = facts.find_profile(tenant.id, customer_id)
    if row is None:
        return None
    policy = policy_of(tenant, row["configuration_version"]) if row["configuration_version"] else None
    known = describe_provenance(
        orjson.loads(dump(_describe_profile(row, []))),
        rank_of=lambda path: rank_by(() if policy is None else policy.source_order(path)),
    )
    found: Json | None = known.get(path)
    return found


def find_customer(external_id: str, *, tenant: TenantRef) -> UUID | None:
    """The customer of that id in the tenant's own systems. Call inside the tenant's context. One statement."""
    rows = Customer.objects.filter(tenant_id=tenant.id, external_id=external_id)
    customer_id: UUID | None = rows.values_list("id", flat=True).first()
    return customer_id


def find_name(external_id: str, *, tenant: TenantRef) -> str:
    """The external id as it is kept, of a customer that there is or of a new one.

    Some were kept before characters that no one sees were refused: those customers can still be named, and new ones
    cannot. Call inside the tenant's context. At most one statement. Raises InvalidValue.
    """
    kept = read_kept_external_id(external_id)
    for error in find_unnamed([kept], tenant=tenant).values():
        raise error
    return kept


def find_unnamed(external_ids: Iterable[str], *, tenant: TenantRef) -> dict[str, InvalidValue]:
    """Those of the ids, read as they may have been kept, that name no one: no customer has them, and none may get them.

    Each with what is wrong with it. Call inside the tenant's context. One statement at most.
    """
    invalid: dict[str, InvalidValue] = {}
    for name in external_ids:
        try:
            read_external_id(name)
        except InvalidValue as error:
            invalid[name] = error
    if not invalid:
        return {}
    rows = Customer.objects.filter(tenant_id=tenant.id, external_id__in=sorted(invalid))
    kept = set(rows.values_list("external_id", flat=True))
    return {name: error for name, error in invalid.items() if name not in kept}


def _mask(contact: Json) -> Json:
    return contact | {"email": mask_email(contact["email"]), "phone": mask_phone(contact["phone"])}


def _describe_profile(row: Mapping[str, Any], contacts: list[Json]) -> Json:
    def provenance(part: str) -> Json | None:
        """Which message last wrote the part; None if none ever has."""
        if row[f"{part}_occurred_at"] is None:
            return None
        return {"source": row[f"{part}_source"], "occurred_at": row[f"{part}_occurred_at"]}

    figures = pick_figures(row)
    return {
        "id": row["id"],
        "customer_id": row["id"],
        "external_id": row["external_id"],
        "company": {name: row[name] for name in names_of(COMPANY)} | {"provenance": provenance("company")},
        "contacts": contacts,
        "billing": figures["billing"] | {"provenance": provenance("billing")},
        "support": figures["support"] | {"provenance": provenance("support")},
        "created_at": row["created_at"],
        "updated_at": row["company_updated_at"],
        "erased_at": row["erased_at"],
        "pins_until": row["pins_until"],
        "record": keep_record(row),
    }


def open_contacts(tenant: TenantRef, customer_id: UUID) -> list[Json]:
    """The contacts in clear. After an erasure no one can read them any more: what named people is None."""
    contacts = list(Contact.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("position", "id"))
    key = load_keys(tenant.id, [customer_id]).get(customer_id) if contacts else None
    return [open_contact(contact, key) for contact in contacts]


def open_main_contacts(
    ids: Collection[UUID], keys: Mapping[UUID, bytes], *, tenant: TenantRef, with_contact_details: bool
) -> dict[UUID, Json]:
    """The first contact of each of these customers, with the keys of their data; one statement.

    Masked unless ``with_contact_details``. Customers without one that can be read are absent.
    """
    if not ids:
        return {}
    rows = Contact.objects.filter(tenant_id=tenant.id, customer_id__in=ids)
    first: dict[UUID, Contact] = {}
    for contact in rows.order_by("position", "id"):
        first.setdefault(contact.customer_id, contact)
    opened = {id_: open_contact(contact, keys.get(id_)) for id_, contact in first.items()}
    return {id_: one if with_contact_details else _mask(one) for id_, one in opened.items() if one["name"]}


def open_contact(contact: Contact, key: bytes | None) -> Json:
    """A contact in clear; what named people is None when the key is gone or another one.

    ``id`` is its own until the CRM reports the customer's people again.
    """
    personal: Json = dict.fromkeys(("name", "email", "phone"))
    if key is not None:
        contact.use_data_key(key)
        # A value may have been written under a key that was destroyed since.
        with contextlib.suppress(cipher.Undecryptable):
            personal = {name: getattr(contact, name) for name in personal}
    return {"id": str(contact.id)} | personal | {"role": contact.role}


def _encrypt(profile: bytes, tenant: TenantRef, customer_id: UUID) -> bytes:
    key = cipher.derive_key(PROFILE_KEY)
    return cipher.encrypt_bytes(key, profile, bound_to=_bound_to(tenant, customer_id))


def _decrypt(encrypted: bytes | None, tenant: TenantRef, customer_id: UUID) -> bytes | None:
    if encrypted is None:
        return None
    try:
        return cipher.decrypt_bytes(cipher.derive_key(PROFILE_KEY), encrypted, bound_to=_bound_to(tenant, customer_id))
    except cipher.Undecryptable:
        # Encrypted before the master key was rotated.
        return None


def _bound_to(tenant: TenantRef, customer_id: UUID) -> bytes:
    return f"{PROFILE_KEY}|{tenant.id}|{customer_id}".encode()
