"""What one message says of one customer, and what became of it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from lifecycle.services.transitions.apply import Outcome


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """A person at the customer, as a source reports it."""

    name: str
    email: str | None = None
    phone: str | None = None
    role: str = ""


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What one message says of one customer: only the fields it brings. ``contacts`` None leaves them alone.

    ``stage`` and ``reason_code`` place a new customer (default: the initial stage) and are ignored for a known one.
    ``only_of`` names a figure, such as the contract: where another value of it is known, the message tells of something
    else, and writes none of that part. ``depth``: that of a first placement (``Change``).
    """

    external_id: str
    source: str
    occurred_at: dt.datetime
    event_id: str = ""
    company: Mapping[str, Any] = field(default_factory=dict)
    contacts: Sequence[ContactFacts] | None = None
    billing: Mapping[str, Any] = field(default_factory=dict)
    support: Mapping[str, Any] = field(default_factory=dict)
    stage: str | None = None
    reason_code: str | None = None
    stage_entered_at: dt.datetime | None = None
    only_of: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one CustomerFacts. ``customer_id`` is None when the customer is unknown and was not created.

    ``stale`` names the fields that something newer had written, ``outranked`` those that are pinned, were erased, or
    come from a source that goes before this one, ``rejected`` those whose value the customer cannot have
    (an amount with more decimals than its currency); ``placed`` is the first placement of a new customer,
    and may be a refusal, in which case the customer is in the initial stage instead. ``confirmed_at``: when an event
    last confirmed the stage (microseconds since 1970), before this batch; 0: none has.
    """

    customer_id: UUID | None
    created: bool = False
    changed: bool = False
    stale: tuple[str, ...] = ()
    placed: Outcome | None = None
    rejected: tuple[str, ...] = ()
    confirmed_at: int = 0
    outranked: tuple[str, ...] = ()
