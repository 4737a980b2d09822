"""What is known already of the customers that a batch names: only news is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from audit.services.keys import load_keys
from lifecycle.models import Contact
from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, names_of
from lifecycle.services.customers.facts import ContactFacts
from lifecycle.services.imports.lines import Line
from storage import cipher
from storage.cursors import prepared_cursor, text_array
from tenants.actors import TenantRef
from tenants.rules.texts import fold_text

# In the order of their external ids, as all that write customers lock them.
LOAD: Final = f"""
SELECT c.id, c.external_id, c.erased_at IS NOT NULL,
       ARRAY[{", ".join(f"c.{name}" for name in names_of(COMPANY))}],
       ARRAY[{", ".join(f"b.{name}::text" for name in names_of(BILLING))}],
       ARRAY[{", ".join(f"u.{name}::text" for name in names_of(SUPPORT))}]
  FROM lifecycle_customer c
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = c.tenant_id AND b.customer_id = c.id
  LEFT JOIN lifecycle_supportfigures u ON u.tenant_id = c.tenant_id AND u.customer_id = c.id
 WHERE c.tenant_id = %(tenant_id)s::uuid AND c.external_id = ANY(%(external_ids)s::text[])
 ORDER BY c.external_id
   FOR NO KEY UPDATE OF c
"""  # noqa: S608  column names from the registry


@dataclass(frozen=True, slots=True)
class Known:
    """A customer as it is. Figures as PostgreSQL prints them; ``contacts`` in clear."""

    customer_id: UUID
    is_erased: bool
    company: Mapping[str, str]
    billing: Mapping[str, str | None]
    support: Mapping[str, str | None]
    contacts: list[ContactFacts] = field(default_factory=list)

    def news_of(self, line: Line) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Company, billing and support fields of the line that differ."""
        return (
            _differing(line.company, self.company),
            _differing(line.billing, self.billing),
            _differing(line.support, self.support),
        )

    def contacts_after(self, line: Line) -> list[ContactFacts] | None:
        """The contacts once the line's person is among them; None when nothing changes. The erased stay erased."""
        if self.is_erased:
            return None
        if line.contacts is not None:
            return list(line.contacts) if list(line.contacts) != self.contacts else None
        person = line.contact
        if person is None:
            return None
        for position, contact in enumerate(self.contacts):
            if _is_same(person, contact):
                after = replace(
                    contact,
                    name=person.name if person.name not in (person.email, person.phone) else contact.name,
                    email=person.email or contact.email,
                    phone=person.phone or contact.phone,
                    role=person.role or contact.role,
                )
                if after == contact:
                    return None
                return [*self.contacts[:position], after, *self.contacts[position + 1 :]]
        return [*self.contacts, person]


def load_known(lines: Sequence[Line], *, tenant: TenantRef) -> dict[str, Known]:
    """The customers that exist, by external id, locked. Call inside the tenant's context. Three statements."""
    with prepared_cursor("default") as cursor:
        external_ids = text_array(sorted(line.external_id for line in lines))
        cursor.execute(LOAD, {"tenant_id": tenant.id, "external_ids": external_ids})
        rows = cursor.fetchall()
    known = {
        external_id: Known(
            customer_id,
            is_erased,
            dict(zip(names_of(COMPANY), company, strict=True)),
            dict(zip(names_of(BILLING), billing, strict=True)),
            dict(zip(names_of(SUPPORT), support, strict=True)),
        )
        for customer_id, external_id, is_erased, company, billing, support in rows
    }
    with_people = [known[line.external_id] for line in lines if line.external_id in known and _has_people(line)]
    _load_contacts([customer for customer in with_people if not customer.is_erased], tenant)
    return known


def _load_contacts(customers: Sequence[Known], tenant: TenantRef) -> None:
    if not customers:
        return
    by_id = {customer.customer_id: customer for customer in customers}
    keys = load_keys(tenant.id, by_id)
    for contact in Contact.objects.filter(tenant_id=tenant.id, customer_id__in=by_id).order_by(
        "customer_id", "position"
    ):
        key = keys.get(contact.customer_id)
        if key is None:
            continue
        contact.use_data_key(key)
        try:
            facts = ContactFacts(contact.name, contact.email, contact.phone, contact.role)
        except cipher.Undecryptable:
            # Written under a key that was destroyed since: no one can compare with it.
            continue
        by_id[contact.customer_id].contacts.append(facts)


def _has_people(line: Line) -> bool:
    return line.contact is not None or line.contacts is not None


def _differing(given: Mapping[str, Any], known: Mapping[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if str(value) != (known[name] or "")}


def _is_same(person: ContactFacts, contact: ContactFacts) -> bool:
    if person.email and contact.email:
        return fold_text(person.email) == fold_text(contact.email)
    return fold_text(person.name) == fold_text(contact.name)
