"""From a record of the file to what it says of one customer."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from lifecycle.rules.fields import COMPANY, CONTACTS, names_of
from lifecycle.services.customers.facts import ContactFacts
from lifecycle.services.imports.cells import read_cell
from lifecycle.services.imports.columns import ColumnPlan
from lifecycle.services.imports.files import Record
from lifecycle.services.imports.mangled import NO_HABITS
from lifecycle.services.imports.values import READERS, InvalidCell

MOST_CONTACTS = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One customer of the file, its values read. Only what the line brings: an empty cell says nothing.

    ``contact`` is one person to add or to update; ``contacts`` (NDJSON) is the whole list, which replaces those known.
    """

    record: Record
    external_id: str
    company: Mapping[str, Any] = field(default_factory=dict)
    contact: ContactFacts | None = None
    contacts: Sequence[ContactFacts] | None = None
    billing: Mapping[str, Any] = field(default_factory=dict)
    support: Mapping[str, Any] = field(default_factory=dict)
    stage: str | None = None
    reason_code: str | None = None
    stage_entered_at: dt.datetime | None = None


def read_line(record: Record, plan: ColumnPlan, *, now: dt.datetime) -> Line:
    """The values of a record. Raises InvalidCell with a sentence that names the column."""
    values: dict[str, Any] = {}
    for column, name in plan.fields.items():
        try:
            text = read_cell(record.cells.get(column), name, plan.habits.get(column, NO_HABITS))
            if text != "":
                values[name] = READERS[name](text)
        except InvalidCell as error:
            raise InvalidCell(_("“%(column)s” %(error)s.") % {"column": column, "error": error}) from None
    external_id = values.pop("external_id", None)
    if external_id is None:
        raise InvalidCell(_("The line names no customer: its external id is empty."))
    entered = values.get("stage_entered_at")
    if entered is not None and entered > now:
        raise InvalidCell(_("The customer cannot have entered its stage in the future."))
    person = _part(values, "contact")
    return Line(
        record=record,
        external_id=external_id,
        company={name: values[name] for name in names_of(COMPANY) if name in values},
        contact=_as_contact(person) if person else None,
        contacts=_read_contacts(record.cells.get(CONTACTS)),
        billing=_part(values, "billing"),
        support=_part(values, "support"),
        stage=values.get("stage"),
        reason_code=values.get("reason_code"),
        stage_entered_at=entered,
    )


def _part(values: Mapping[str, Any], part: str) -> dict[str, Any]:
    beginning = f"{part}."
    return {name.removeprefix(beginning): value for name, value in values.items() if name.startswith(beginning)}


def _as_contact(person: Mapping[str, Any]) -> ContactFacts:
    return ContactFacts(
        name=person.get("name") or person.get("email") or person.get("phone") or "",
        email=person.get("email"),
        phone=person.get("phone"),
        role=person.get("role") or "",
    )


def _read_contacts(value: object) -> list[ContactFacts] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MOST_CONTACTS:
        raise InvalidCell(
            _("“%(column)s” must be a list of at most %(most)s people.") % {"column": CONTACTS, "most": MOST_CONTACTS}
        )
    people = []
    for entry in value:
        if not isinstance(entry, dict):
            raise InvalidCell(
                _("“%(column)s” must be a list of people with name, email, phone and role.") % {"column": CONTACTS}
            )
        person = {}
        for name in names_of(CONTACTS):
            try:
                text = read_cell(entry.get(name), f"contact.{name}")
                if text != "":
                    person[name] = READERS[f"contact.{name}"](text)
            except InvalidCell as error:
                raise InvalidCell(
                    _("“%(column)s” %(error)s.") % {"column": f"{CONTACTS}.{name}", "error": error}
                ) from None
        if person:
            people.append(_as_contact(person))
    # People of whom nothing is said are none, and yet they are not no one: that is said by [].
    return people if people or not value else None
