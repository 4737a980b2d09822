"""The types of events that are understood: one entry each, and its JSON Schemas (``schemas``, one file a version).

An entry says what happened, whose event it is, what its data hold and how each value is read, which of the customer's
fields they write, and what a sample looks like. The consumer's topics, the check of the sender, the rules' vocabulary,
the AsyncAPI document, ``send_event`` and the demo's stream follow from it.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Final

from lifecycle.rules.fields import (
    BILLING,
    COMPANY,
    CONTACTS,
    COUNT,
    DAY,
    FIELDS,
    SCORE,
    SUPPORT,
    TIMESTAMP,
    Kind,
    amount,
    fields_of,
    line,
)
from lifecycle.rules.sample_names import name_company, name_person
from tenants.rules.messages import Message, gettext_noop

Data = Mapping[str, Any]
_ID: Final = line(150)
_NUMBER_KINDS: Final = frozenset({"amount", COUNT.name, SCORE.name})
_ANY: Final = Kind("part", read=lambda value: value, schema={"type": ["object", "array"]})
# Part -> column -> value; for the contacts the list of people.
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The customer that a sample is about. ``category`` is the meaning of its stage."""

    external_id: str
    category: str = "engaged"
    arr: float = 12_000.0
    contract_id: str = ""


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event. ``when`` is how a rule about it begins: "when a customer is created".

    ``part`` is whose event it is: its owner alone may send it. None: the data are the customer's profile, and each part
    of them belongs to its own source. ``id_field`` is the id that its data cannot do without. ``kinds`` says how the
    other values of the data are read; ``decisive`` names those whose absence says something, so that the event cannot
    do without one that is there and cannot be read. ``writes`` turns read data into what is kept. ``only_of``: a column
    of the part; where another value of it is known, the event tells of something else and writes nothing. ``check``
    names values that contradict each other. ``habits``: category -> how often a
    customer's modules tend to send it.
    """

    name: str
    title: str
    when: str
    effect: str
    writes: Callable[[Data], Facts]
    sample: Callable[[Subject, Random, dt.datetime], dict[str, Any]]
    part: str | None = None
    id_field: str | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    decisive: frozenset[str] = frozenset()
    only_of: str | None = None
    check: Callable[[Data], Message | None] = lambda _: None
    habits: Mapping[str, int] = field(default_factory=dict)

    def parts(self) -> Iterator[tuple[str, str]]:
        """Fields of the data, each with the part of the customer that it belongs to."""
        if self.part is not None:
            yield self.id_field or "external_id", self.part
            return
        for one in fields_of(COMPANY):
            yield one.name, COMPANY
        yield from ((part, part) for part in (CONTACTS, BILLING, SUPPORT))

    def paths(self) -> frozenset[str]:
        """What a condition of an event rule may look at."""
        return frozenset(self.kinds_of_paths())

    def number_paths(self) -> frozenset[str]:
        """Those of them whose values are numbers."""
        return frozenset(path for path, kind in self.kinds_of_paths().items() if kind.name in _NUMBER_KINDS)

    def kinds_of_paths(self) -> dict[str, Kind]:
        """The same, each with what its values are; of a whole part of the profile it can only be asked whether it is
        there.
        """
        if self.part is not None:
            return {"external_id": _ID, **({self.id_field: _ID} if self.id_field else {}), **self.kinds}
        fields = {one.path: one.kind for one in FIELDS if one.in_profile and one.part != CONTACTS}
        return {"external_id": _ID, **dict.fromkeys((CONTACTS, BILLING, SUPPORT), _ANY), **fields}


def _write_profile(data: Data) -> Facts:
    facts: Facts = {COMPANY: {one.name: data[one.name] for one in fields_of(COMPANY) if one.name in data}}
    for part in (BILLING, SUPPORT):
        given = data.get(part, {})
        facts[part] = {one.name: given[one.name] for one in fields_of(part) if one.in_profile and one.name in given}
    if CONTACTS in data:
        facts[CONTACTS] = data[CONTACTS]
    return facts


def _pick(data: Data, columns: Mapping[str, str]) -> dict[str, Any]:
    """Field of the data -> column, for those that are there."""
    return {column: data[name] for name, column in columns.items() if name in data}


def _pick_said(data: Data, *names: str) -> dict[str, Any]:
    """Figures of the customer that the event says. Null tells of the issue, which no one has rated, or of the contract,
    whose revenue is not known yet, and not that the customer's own figure is not known any more.
    """
    return {name: data[name] for name in names if data.get(name) is not None}


def _write_renewal(data: Data) -> Facts:
    billing = _pick(data, {"contract_id": "contract_id", "starts_on": "contract_starts_on"}) | _pick_said(data, "arr")
    if "ends_on" in data:
        # A contract is to be renewed when it ends.
        billing["contract_ends_on"] = billing["renewal_on"] = data["ends_on"]
    return {BILLING: billing}


def _write_cancellation(data: Data) -> Facts:
    ends_on = data.get("ends_on") or (data.get("cancelled_at") or "")[:10]
    # There is nothing to renew any more.
    billing = {"contract_id": data["contract_id"], "renewal_on": None}
    return {BILLING: {**billing, "contract_ends_on": ends_on} if ends_on else billing}


def _write_issue(data: Data) -> Facts:
    support = _pick(
        data,
        {
            "issue_id": "last_issue_id",
            "severity": "last_issue_severity",
            "closed_at": "last_issue_closed_at",
        },
    )
    return {SUPPORT: support | _pick_said(data, "open_issues", "csat")}


def _find_wrong_term(data: Data) -> Message | None:
    starts_on, ends_on = data.get("starts_on"), data.get("ends_on")
    # ISO days sort as they follow each other.
    if starts_on and ends_on and ends_on < starts_on:
        return Message("event_wrong_term", {"field": "data.ends_on", "other_field": "data.starts_on"})
    return None


def _sample_created(_: Subject, random: Random, __: dt.datetime) -> dict[str, Any]:
    company = name_company(FIRST_COMPANY + random.randrange(50_000))
    person = name_person(random, company.domain, company.country or "US")
    return {
        "name": company.name,
        "industry": company.industry,
        "segment": random.choice(SEGMENTS),
        "contacts": [{"name": person.name, "email": person.email, "phone": person.phone, "role": person.role}],
    }


def _sample_updated(_: Subject, random: Random, __: dt.datetime) -> dict[str, Any]:
    return {"segment": random.choice(SEGMENTS)}


def _sample_renewal(subject: Subject, random: Random, now: dt.datetime) -> dict[str, Any]:
    starts_on = now.date() + dt.timedelta(days=random.randrange(1, 30))
    return {
        "contract_id": f"K-{now:%Y}-{random.randrange(100_000):05}",
        "signed_at": now.isoformat(),
        "starts_on": starts_on.isoformat(),
        "ends_on": (starts_on + dt.timedelta(days=364)).isoformat(),
        "arr": round(subject.arr * random.uniform(1.0, 1.12), 2),
    }


def _sample_cancellation(subject: Subject, random: Random, now: dt.datetime) -> dict[str, Any]:
    return {
        "contract_id": subject.contract_id or f"K-{now:%Y}-{random.randrange(100_000):05}",
        "cancelled_at": now.isoformat(),
        "ends_on": (now.date() + dt.timedelta(days=random.randrange(0, 180))).isoformat(),
        "reason": random.choice(("Price", "Competitor", "No longer needed")),
    }


def _sample_issue(_: Subject, random: Random, now: dt.datetime) -> dict[str, Any]:
    opened_at = now - dt.timedelta(minutes=random.randrange(30, 5000))
    return {
        "issue_id": f"S-{random.randrange(1_000_000):06}",
        "severity": random.choice(SEVERITIES),
        "opened_at": opened_at.isoformat(),
        "closed_at": now.isoformat(),
        "csat": random.choice((2.5, 3.0, 3.5, 4.0, 4.5, 4.5, 5.0)),
        "open_issues": random.choice((0, 0, 0, 1, 1, 2, 3)),
    }


# Companies of samples are named from here on, so that they are new to the demo.
FIRST_COMPANY: Final = 200_000
SEVERITIES: Final = ("low", "normal", "high", "urgent")
SEGMENTS: Final = ("SMB", "Mid-Market", "Enterprise")

# What is said of the profile of a customer that is known.
UPDATED: Final = "customer.updated"

EVENT_TYPES: Final[Mapping[str, EventType]] = {
    entry.name: entry
    for entry in (
        EventType(
            "customer.created",
            "A customer exists from now on.",
            gettext_noop("a customer is created"),
            "Makes the customer, in the initial stage.",
            writes=_write_profile,
            sample=_sample_created,
        ),
        EventType(
            UPDATED,
            "Something about a customer has changed.",
            gettext_noop("a customer's data change"),
            "Writes the fields it brings; absent is left alone, null clears.",
            writes=_write_profile,
            sample=_sample_updated,
            habits={"acquisition": 1, "onboarding": 2, "engaged": 2, "lost": 1},
        ),
        EventType(
            "contract.renewed",
            "A contract was signed for another term.",
            gettext_noop("a contract is renewed"),
            "Writes the contract and its ARR; ends_on becomes the renewal date.",
            part=BILLING,
            id_field="contract_id",
            kinds={"signed_at": TIMESTAMP, "starts_on": DAY, "ends_on": DAY, "arr": amount(Decimal(0))},
            check=_find_wrong_term,
            writes=_write_renewal,
            sample=_sample_renewal,
            habits={"engaged": 1, "risk": 1, "renewal": 3},
        ),
        EventType(
            "contract.cancelled",
            "A contract will not be renewed, or has ended early.",
            gettext_noop("a contract is canceled"),
            "Writes the contract's end (ends_on, or the day of the cancellation) and takes the renewal date away. Of"
            " another contract than the one that is known it writes nothing, and no rule moves the customer.",
            part=BILLING,
            id_field="contract_id",
            kinds={"cancelled_at": TIMESTAMP, "ends_on": DAY, "reason": line(255)},
            decisive=frozenset({"ends_on"}),
            only_of="contract_id",
            writes=_write_cancellation,
            sample=_sample_cancellation,
            habits={"risk": 1},
        ),
        EventType(
            "support.issue.closed",
            "An issue was closed.",
            gettext_noop("a support issue is closed"),
            "Writes the last issue, open issues and CSAT.",
            part=SUPPORT,
            id_field="issue_id",
            kinds={
                "severity": line(30),
                "opened_at": TIMESTAMP,
                "closed_at": TIMESTAMP,
                "open_issues": COUNT,
                "csat": SCORE,
            },
            writes=_write_issue,
            sample=_sample_issue,
            habits={"onboarding": 1, "engaged": 6, "risk": 3, "renewal": 1},
        ),
    )
}
