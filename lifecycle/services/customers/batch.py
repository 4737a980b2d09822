"""The rows of customers that one batch of messages is about: locked, merged in memory, written back set by set."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from audit.services.chain import micros
from audit.services.keys import ensure_keys
from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, amounts_of, names_of
from lifecycle.rules.figures import KEPT_FIGURES
from lifecycle.rules.precedence import Rank, rank_by
from lifecycle.services.cache import copies
from lifecycle.services.customers.facts import ContactFacts, CustomerFacts, Recorded
from lifecycle.services.customers.figure_changes import FigureChanges
from lifecycle.services.customers.offers import (
    PINNABLE,
    TEXTS,
    Offers,
    Row,
    contend_for_contacts,
    keyed,
)
from storage import cipher
from storage.cursors import insert_rows, prepared_cursor, text_array
from tenants.actors import TenantRef
from tenants.rules.values import InvalidValue, read_amount
from tenants.services.configuration.policies import policy_of_version

COMPANY_FIELDS = names_of(COMPANY)
KEPT_OF_COMPANY = tuple(name for name in COMPANY_FIELDS if name in KEPT_FIGURES)
# The field time of the last event that found the customer in the stage it asks for: it writes no history.
STAGE_CONFIRMED = "stage"
_AMOUNTS = tuple(field.name for field in amounts_of(BILLING))


_WRITTEN = (*COMPANY_FIELDS, "name_key", "owner_key", "source", "event_id", "occurred_at", "field_times")
_WRITTEN = (*_WRITTEN, "field_sources", "overruled", "pins", "pins_until")
# Columns of a row that hold an object: Django loads jsonb as text on its connections.
_OBJECTS = ("field_times", "field_sources", "overruled", "pins")
LOCK = f"""
SELECT id, external_id, {", ".join(_WRITTEN)}, erased_at,
       (SELECT configuration_version FROM tenants_tenant WHERE id = %(tenant_id)s::uuid) AS configuration
  FROM lifecycle_customer
 WHERE tenant_id = %(tenant_id)s::uuid AND external_id = ANY(%(external_ids)s::text[])
 ORDER BY external_id
   FOR NO KEY UPDATE
"""
_CUSTOMER = ("id", "tenant_id", "external_id", *_WRITTEN, "created_at", "updated_at", "erased_at")
_CONTACT = ("id", "tenant_id", "customer_id", "name", "email", "phone", "email_index", "role", "position")
INSERT = f"""
{insert_rows("lifecycle_customer", _CUSTOMER)}
    ON CONFLICT (tenant_id, external_id) DO NOTHING
RETURNING external_id
"""
UPDATE = f"""
UPDATE lifecycle_customer c
   SET {", ".join(f"{name} = r.{name}" for name in (*_WRITTEN, "updated_at"))},
       version = c.version + 1
  FROM json_populate_recordset(NULL::lifecycle_customer, %(rows)s::json) r
 WHERE c.tenant_id = %(tenant_id)s::uuid AND c.id = r.id
"""
REPLACE_CONTACTS = f"""
WITH gone AS (
    DELETE FROM lifecycle_contact
     WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = ANY(%(customer_ids)s::uuid[])
)
{insert_rows("lifecycle_contact", _CONTACT)}
"""


def _part_statements(table: str, fields: Iterable[str]) -> tuple[str, str]:
    columns = [*fields, "source", "event_id", "occurred_at", "field_times", "field_sources", "overruled"]
    every = ("customer_id", "tenant_id", *columns)
    read = (
        f"SELECT {', '.join(every)} FROM {table} "
        "WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = ANY(%(ids)s::uuid[])"
    )
    changes = ", ".join([*(f"{name} = EXCLUDED.{name}" for name in columns), f"version = {table}.version + 1"])
    return read, f"{insert_rows(table, every)} ON CONFLICT (tenant_id, customer_id) DO UPDATE SET {changes}"


READ_BILLING, WRITE_BILLING = _part_statements("lifecycle_billingfigures", names_of(BILLING))
READ_SUPPORT, WRITE_SUPPORT = _part_statements("lifecycle_supportfigures", names_of(SUPPORT))


class Batch:
    """The rows of one batch: locked, merged in memory message by message, written back set by set."""

    def __init__(self, tenant: TenantRef, now: dt.datetime, *, backdated: bool) -> None:
        self.tenant = tenant
        self.now = now
        self.backdated = backdated
        self.rows: dict[str, dict[str, Any]] = {}
        self.billing: dict[UUID, dict[str, Any]] = {}
        self.support: dict[UUID, dict[str, Any]] = {}
        self.contacts: dict[UUID, Sequence[ContactFacts]] = {}
        self.dirty: dict[str, set[UUID]] = defaultdict(set)
        self._inserted: dict[UUID, dict[str, Any]] = {}
        self._configuration = 0
        self.offers = Offers(rank_of=self._rank_of)
        self.figure_changes = FigureChanges(tenant.id, now)

    def _rank_of(self, path: str) -> Rank:
        """How the sources of a field rank by the live configuration."""
        if not self._configuration:
            return rank_by(())
        return rank_by(policy_of_version(self.tenant.id, self._configuration).source_order(path))

    def lock(self, external_ids: Sequence[str]) -> None:
        """Lock and load the customers that exist."""
        if not external_ids:
            return
        with prepared_cursor("default") as cursor:
            cursor.execute(LOCK, {"tenant_id": self.tenant.id, "external_ids": text_array(external_ids)})
            names = [column.name for column in cursor.description]
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                row |= {name: orjson.loads(row[name]) for name in _OBJECTS}
                self._configuration = row.pop("configuration") or 0
                self.rows[row["external_id"]] = row

    def insert(self, facts: Iterable[CustomerFacts]) -> dict[str, CustomerFacts]:
        """Make the customers that do not exist; by external id, the message that made each."""
        new = {fact.external_id: fact for fact in reversed(list(facts)) if fact.external_id not in self.rows}
        if not new:
            return {}
        rows = {external_id: self._new_row(new[external_id]) for external_id in sorted(new)}
        with prepared_cursor("default") as cursor:
            cursor.execute(INSERT, {"rows": _as_json(rows.values())})
            inserted = {external_id for (external_id,) in cursor.fetchall()}
        for external_id in inserted:
            row = self.rows[external_id] = rows[external_id]
            self._inserted[row["id"]] = {**row, **{name: dict(row[name]) for name in _OBJECTS}}
        # Someone else made these a moment ago, and has committed, or we would still be waiting.
        self.lock(sorted(new.keys() - inserted))
        return {external_id: new[external_id] for external_id in inserted}

    def _new_row(self, fact: CustomerFacts) -> dict[str, Any]:
        given = (*fact.company, *([] if fact.contacts is None else ["contacts"]))
        return {
            "id": uuid7(),
            "tenant_id": self.tenant.id,
            "external_id": fact.external_id,
            **{name: fact.company.get(name) or "" for name in COMPANY_FIELDS},
            **keyed("name", fact.company.get("name") or fact.external_id),
            **keyed("owner", fact.company.get("owner") or ""),
            "source": fact.source,
            "event_id": fact.event_id,
            "occurred_at": fact.occurred_at,
            "field_times": dict.fromkeys(given, micros(fact.occurred_at)),
            "field_sources": dict.fromkeys(given, fact.source),
            "overruled": {},
            "pins": {},
            "pins_until": None,
            "created_at": fact.occurred_at if self.backdated else self.now,
            "updated_at": fact.occurred_at if self.backdated else self.now,
            "erased_at": None,
        }

    def load_parts(self, facts: Sequence[CustomerFacts]) -> None:
        """Load the billing and support rows that the messages speak of."""
        for part, statement, rows in (
            ("billing", READ_BILLING, self.billing),
            ("support", READ_SUPPORT, self.support),
        ):
            ids = {
                self.rows[fact.external_id]["id"]
                for fact in facts
                if getattr(fact, part) and fact.external_id in self.rows
            }
            if ids:
                with prepared_cursor("default") as cursor:
                    cursor.execute(statement, {"tenant_id": self.tenant.id, "ids": list(ids)})
                    names = [column.name for column in cursor.description]
                    for values in cursor.fetchall():
                        row = dict(zip(names, values, strict=True))
                        row |= {name: orjson.loads(row[name]) for name in _OBJECTS if name in row}
                        rows[row["customer_id"]] = row

    def merge(self, fact: CustomerFacts, *, created: bool) -> Recorded:
        """Bring one message into the rows in memory."""
        row = self.rows.get(fact.external_id)
        if row is None:
            return Recorded(None)
        customer_id: UUID = row["id"]
        stale: list[str] = []
        outranked: list[str] = []
        rejected: list[str] = []
        figures: dict[str, Any] = {}
        is_disputed = False
        if row["pins_until"] is not None and row["pins_until"] <= self.now:
            self.release_expired(row)
        if created:
            # Its own message is in the row already, and so changes nothing.
            figures |= {name: fact.company[name] for name in KEPT_OF_COMPANY if fact.company.get(name)}
        changed = False
        for part, target, given in self._parts_of(row, fact, stale, rejected):
            brought = self.offers.bring(
                part, target, given, source=fact.source, at=micros(fact.occurred_at), pins=row["pins"]
            )
            stale += brought.stale
            outranked += brought.outranked
            figures |= brought.figures
            is_disputed |= brought.is_disputed
            changed |= brought.is_written
            if brought.is_written and fact.occurred_at >= target["occurred_at"]:
                target |= {"source": fact.source, "event_id": fact.event_id, "occurred_at": fact.occurred_at}
            if brought.is_noted:
                self.dirty[part].add(customer_id)
        if fact.contacts is not None:
            if row["erased_at"] is None:
                changed |= self._bring_contacts(row, fact, fact.contacts, stale, outranked)
            else:
                outranked.append("contacts")
        self.figure_changes.keep(customer_id, figures, source=fact.source, at=fact.occurred_at, is_disputed=is_disputed)
        confirmed_at = row["field_times"].get(STAGE_CONFIRMED, 0)
        return Recorded(
            customer_id,
            created,
            changed or created,
            tuple(stale),
            rejected=tuple(rejected),
            confirmed_at=confirmed_at,
            outranked=tuple(outranked),
        )

    def _parts_of(
        self, row: Row, fact: CustomerFacts, stale: list[str], rejected: list[str]
    ) -> Iterable[tuple[str, Row, Mapping[str, Any]]]:
        """The parts that the message writes: each with its row, and what it says of it."""
        if fact.company:
            yield COMPANY, row, fact.company
        for part, rows in ((BILLING, self.billing), (SUPPORT, self.support)):
            given = getattr(fact, part)
            if not given:
                continue
            target = rows.get(row["id"])
            if target is None:
                target = rows[row["id"]] = self.new_part(row["id"], part, fact)
            if fact.only_of and target[fact.only_of] not in ("", None, given.get(fact.only_of)):
                stale.append(f"{part}.{fact.only_of}")
                continue
            yield part, target, _fit_amounts(given, target, rejected) if part == BILLING else given

    def _bring_contacts(
        self, row: Row, fact: CustomerFacts, contacts: Sequence[ContactFacts], stale: list[str], outranked: list[str]
    ) -> bool:
        settled = contend_for_contacts(row, fact.source, fact.occurred_at, rank=self._rank_of("contacts"))
        if settled.lost is not None:
            (stale if settled.lost == "age" else outranked).append("contacts")
        if settled.is_noted:
            self.dirty["company"].add(row["id"])
        if settled.lost is None:
            self.contacts[row["id"]] = contacts
        return settled.lost is None

    def release_expired(self, row: Row) -> None:
        """Take away the pins whose time is over, as far as the rows that they are about are loaded."""
        for path, pin in list(row["pins"].items()):
            if pin["until"] is not None and dt.datetime.fromisoformat(pin["until"]) <= self.now:
                self.release(row, path)

    def release(self, row: Row, path: str) -> None:
        """Take away a pin: the field has the best of what was offered, which may have come in the meantime."""
        part, name = PINNABLE[path]
        target = row if part == COMPANY else (self.billing if part == BILLING else self.support).get(row["id"])
        if target is None:
            return
        del row["pins"][path]
        brought = self.offers.release(part, target, name)
        source = target["field_sources"].get(name, target["source"])
        self.figure_changes.keep(row["id"], brought.figures, source=source, at=self.now, is_disputed=True)
        self.dirty[part].add(row["id"])
        self.touch_pins(row)

    def touch_pins(self, row: Row) -> None:
        """Note that the pins of a customer have changed."""
        ends = [dt.datetime.fromisoformat(pin["until"]) for pin in row["pins"].values() if pin["until"]]
        row["pins_until"] = min(ends, default=None)
        self.dirty[COMPANY].add(row["id"])

    def new_part(self, customer_id: UUID, part: str, fact: CustomerFacts) -> Row:
        """A row of a part of which nothing is known yet."""
        return {
            "customer_id": customer_id,
            "tenant_id": self.tenant.id,
            **{name: "" if name in TEXTS[part] else None for name in names_of(part)},
            "source": fact.source,
            "event_id": fact.event_id,
            "occurred_at": fact.occurred_at,
            "field_times": {},
            "field_sources": {},
            "overruled": {},
        }

    def write(self) -> None:
        """Write what changed, and drop what the cache holds of it."""
        parameters = {"tenant_id": self.tenant.id}
        by_id = {row["id"]: row for row in self.rows.values()}
        touched: set[UUID] = set().union(*self.dirty.values()) if self.dirty else set()
        with prepared_cursor("default") as cursor:
            # What a new customer's own message said is in its row already.
            companies = [id_ for id_ in sorted(self.dirty["company"]) if by_id[id_] != self._inserted.get(id_)]
            if companies:
                rows = [{**by_id[id_], "updated_at": self.now} for id_ in companies]
                cursor.execute(UPDATE, {**parameters, "rows": _as_json(rows)})
            for part, statement, source in (
                ("billing", WRITE_BILLING, self.billing),
                ("support", WRITE_SUPPORT, self.support),
            ):
                if self.dirty[part]:
                    cursor.execute(statement, {"rows": _as_json(source[id_] for id_ in sorted(self.dirty[part]))})
            self.figure_changes.write(cursor)
            if self.contacts:
                cursor.execute(
                    REPLACE_CONTACTS,
                    {
                        **parameters,
                        "customer_ids": list(self.contacts),
                        "rows": _as_json(self._contact_rows()),
                    },
                )
        # No one can have read what this transaction has made.
        copies.forget_profiles(self.tenant.id, sorted(touched - self._inserted.keys()))

    def _contact_rows(self) -> Iterable[dict[str, Any]]:
        tenant_id = self.tenant.id
        keys = ensure_keys(tenant_id, [id_ for id_, contacts in self.contacts.items() if contacts])
        for customer_id, contacts in self.contacts.items():
            for position, contact in enumerate(contacts):
                contact_id = uuid7()

                def encrypted(
                    column: str, text: str | None, contact_id: UUID = contact_id, key: bytes = keys[customer_id]
                ) -> str | None:
                    if text is None:
                        return None
                    bound_to = cipher.binding("lifecycle_contact", column, contact_id, tenant_id)
                    return "\\x" + cipher.encrypt(key, text, bound_to=bound_to).hex()

                yield {
                    "id": contact_id,
                    "tenant_id": tenant_id,
                    "customer_id": customer_id,
                    "name": encrypted("name", contact.name),
                    "email": encrypted("email", contact.email),
                    "phone": encrypted("phone", contact.phone),
                    "email_index": "\\x" + cipher.email_index(tenant_id, contact.email).hex()
                    if contact.email
                    else None,
                    "role": contact.role,
                    "position": position,
                }


def _fit_amounts(given: Mapping[str, Any], row: Mapping[str, Any], rejected: list[str]) -> dict[str, Any]:
    """The figures with every amount in the decimals of its currency; one that has more is left out and noted."""
    currency = given.get("currency", row["currency"]) or None
    fitted = dict(given)
    for name in _AMOUNTS:
        if given.get(name) is None:
            continue
        try:
            fitted[name] = read_amount(given[name], currency)
        except InvalidValue:
            rejected.append(f"billing.{name}")
            del fitted[name]
    return fitted


def _as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    return orjson.dumps(list(rows), default=str).decode()
