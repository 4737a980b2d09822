"""Erasing the personal data of a customer [SEC-7], and handing them out before that.

What names people lies under the customer's data key; destroying that one small row makes it unreadable everywhere, in
backups taken later too, while the history keeps its rows and every hash still verifies. Rows that may go, go.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from audit import cipher
from audit.models import AdministrationEntry, LifecycleHistory, RefusedAttempt
from audit.services.administration import record_administration
from audit.services.chain import EPOCH
from audit.services.keys import KeyDestroyed, destroy_key, load_key
from lifecycle.models import BillingFigures, Contact, Customer, CustomerLifecycleStatus, DeadLetter, SupportFigures
from lifecycle.services import cache
from lifecycle.services.imports.uploads import destroy_uploads
from tenants.actors import Actor, TenantRef
from tenants.rules.values import InvalidValue, read_external_id, sort_key

ERASED_NAME: Final = "Erased customer"
LONGEST_REASON: Final = 500


class ErasureRefused(Exception):
    """The customer cannot be erased or exported as asked; the sentence says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure found: the contacts and messages it deleted, and whether there was a key to destroy."""

    customer_id: Any
    contacts: int
    messages: int
    key_destroyed: bool


def erase_customer(
    external_id: str, *, tenant: TenantRef, actor: Actor, reason: str, now: dt.datetime, company: bool = False
) -> Erased:
    """Erase what is known of people at the customer; with ``company`` the company's name as well.

    Call inside the tenant's context, in one transaction. Repeating it erases what has come since. Contacts that a
    source reports later are ignored (``services.customers``), and so is a name older than the erasure. Raises
    ErasureRefused without a reason or for an unknown customer.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise ErasureRefused("reason_required", f"Say why, in up to {LONGEST_REASON} characters.")
    customer = _find(external_id, tenant, lock=True)
    key_destroyed = destroy_key(tenant.id, customer.id)
    contacts, _ = Contact.objects.filter(tenant_id=tenant.id, customer_id=customer.id).delete()
    messages = _give_up_messages(customer, actor=actor, now=now)
    # Any of them may name the person, under whatever id; the day that they are kept is too long.
    uploads = destroy_uploads(tenant)
    if company:
        customer.name, customer.name_key = ERASED_NAME, sort_key(ERASED_NAME)
        customer.field_times["name"] = (now - EPOCH) // dt.timedelta(microseconds=1)
    customer.erased_at = customer.updated_at = now
    customer.save(update_fields=["name", "name_key", "field_times", "erased_at", "updated_at"])
    record_administration(
        tenant_id=tenant.id,
        actor=actor.name,
        actor_kind=actor.kind,
        action="erase_customer",
        subject=str(customer.id),
        reason=reason,
        detail={
            "contacts": contacts,
            "messages": messages,
            "uploads": uploads,
            "key_destroyed": key_destroyed,
            "company": company,
        },
        now=now,
    )
    cache.forget(tenant.id, [customer.id], cache.FIGURES, cache.PROFILE)
    return Erased(customer.id, contacts, messages, key_destroyed)


def export_customer(external_id: str, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> dict[str, Any]:
    """Everything that is kept about the customer, personal data in clear, ready to be JSON; the export is recorded.

    Call inside the tenant's context. Raises ErasureRefused for an unknown customer. Of an erased customer the personal
    values are None.
    """
    customer = _find(external_id, tenant)
    of_customer = {"tenant_id": tenant.id, "customer_id": customer.id}
    try:
        key = load_key(tenant.id, customer.id)
    except KeyDestroyed:
        key = None
    exported = {
        "exported_at": now,
        "tenant": tenant.slug,
        "company": _row(Customer, id=customer.id, tenant_id=tenant.id),
        "contacts": [
            _open_contact(contact, key) for contact in Contact.objects.filter(**of_customer).order_by("position")
        ],
        "billing": _row(BillingFigures, **of_customer),
        "support": _row(SupportFigures, **of_customer),
        "lifecycle": _row(CustomerLifecycleStatus, **of_customer),
        "history": [
            _open_history(dict(row), key, tenant)
            for row in LifecycleHistory.objects.filter(**of_customer).order_by("sequence").values()
        ],
        "refused_attempts": list(RefusedAttempt.objects.filter(**of_customer).order_by("id").values()),
        "administration": list(
            AdministrationEntry.objects.filter(tenant_id=tenant.id, subject=str(customer.id)).order_by("id").values()
        ),
    }
    record_administration(
        tenant_id=tenant.id,
        actor=actor.name,
        actor_kind=actor.kind,
        action="export_customer",
        subject=str(customer.id),
        now=now,
    )
    return exported


def _find(external_id: str, tenant: TenantRef, *, lock: bool = False) -> Customer:
    try:
        external_id = read_external_id(external_id)
    except InvalidValue as error:
        raise ErasureRefused("not_found", f"The external id {error}.") from error
    customers = Customer.objects.filter(tenant_id=tenant.id, external_id=external_id)
    # The lock of record_customers: an erasure and an event about the same customer take turns.
    customer: Customer | None = (customers.select_for_update(no_key=True) if lock else customers).first()
    if customer is None:
        raise ErasureRefused("not_found", f"Tenant {tenant.slug} has no customer {external_id!r}.")
    return customer


def _give_up_messages(customer: Customer, *, actor: Actor, now: dt.datetime) -> int:
    """Destroy the bytes of dead messages about the customer: they say what its contacts said."""
    letters = DeadLetter.objects.filter(tenant_id=customer.tenant_id, key=customer.external_id.encode())
    given_up = letters.filter(value__isnull=False).update(value=None)
    letters.filter(state=DeadLetter.State.OPEN).update(
        state=DeadLetter.State.DISCARDED, resolved_at=now, resolved_by=actor.name, reason="The customer was erased."
    )
    return given_up


def _row(model: Any, **wanted: Any) -> dict[str, Any] | None:
    row: dict[str, Any] | None = model.objects.filter(**wanted).values().first()
    return None if row is None else _readable(row)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Binary values in hex, so that the row can be JSON."""
    return {name: bytes(value).hex() if isinstance(value, bytes | memoryview) else value for name, value in row.items()}


def _open_contact(contact: Contact, key: bytes | None) -> dict[str, Any]:
    if key is not None:
        contact.use_data_key(key)
    personal = ("name", "email", "phone")
    return {
        "id": contact.id,
        "role": contact.role,
        **{name: None if key is None else getattr(contact, name) for name in personal},
    }


def _open_history(row: dict[str, Any], key: bytes | None, tenant: TenantRef) -> dict[str, Any]:
    note = row.pop("note")
    if note is not None and key is not None:
        bound_to = cipher.binding("customer_lifecycle_history", "note", row["id"], tenant.id)
        note = cipher.decrypt(key, note, bound_to=bound_to)
    else:
        note = None
    return {**_readable(row), "note": note}
