"""Bringing the fields of a message into the rows of a customer: what holds, what lost and why, and what it changed.

A row here is a dict of the columns of one part (company, billing, support), with ``field_times``, ``field_sources`` and
``overruled``. Nothing is read or written: ``recording`` and ``pins`` do.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from audit.services.chain import micros
from lifecycle.rules.fields import BILLING, COMPANY, FIELDS, SUPPORT, texts_of
from lifecycle.rules.figures import KEPT_FIGURES, as_text
from lifecycle.rules.precedence import FOR_GOOD, Offer, Rank, Settled, override, resettle, settle
from tenants.rules.texts import fold_text
from tenants.rules.values import sort_key

Row = dict[str, Any]
# Columns that hold '' and not NULL when nothing is known.
TEXTS: Final = {part: frozenset(texts_of(part)) for part in (COMPANY, BILLING, SUPPORT)}
PATHS: Final = {(one.part, one.name): one.path for one in FIELDS}
# Path -> part and name, of the fields that a person can pin: a contact is a whole, of which no value is kept.
PINNABLE: Final = {one.path: (one.part, one.name) for one in FIELDS if one.part in (COMPANY, BILLING, SUPPORT)}
# The list of contacts is one field of the company's row.
PEOPLE_FIELD: Final = "contacts"


@dataclass(slots=True)
class Brought:
    """What became of the fields of one message. ``is_noted``: the row is to be written, be it for what lost alone.
    ``is_disputed``: of a figure that it changed someone else has said something, too.
    """

    is_written: bool = False
    is_noted: bool = False
    is_disputed: bool = False
    stale: list[str] = field(default_factory=list)
    outranked: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Offers:
    """The offers of a batch, judged by the live configuration of its tenant."""

    def __init__(self, *, rank_of: Callable[[str], Rank]) -> None:
        self.rank_of = rank_of

    def bring(
        self, part: str, row: Row, given: Mapping[str, Any], *, source: str, at: int, pins: Mapping[str, Any]
    ) -> Brought:
        """Bring the fields that a source gives of one part into its row; per field one of them holds."""
        brought = Brought()
        times, sources, overruled = row["field_times"], row["field_sources"], row["overruled"]
        for name, value in given.items():
            path = PATHS[part, name]
            held_at = times.get(name)
            if held_at is not None and (
                name in overruled or path in pins or sources.get(name, row["source"]) != source or held_at >= FOR_GOOD
            ):
                self._contend(part, row, name, Offer(as_text(value), at, source), brought, is_pinned=path in pins)
                continue
            # The common case: there is no one else who says anything of it.
            if held_at is not None and held_at > at:
                brought.stale.append(path)
                continue
            # A company without a name would be invisible in every list: it keeps the one it has.
            if name == "name" and part == COMPANY and not value:
                brought.is_noted = True
                continue
            self._put(part, row, name, value, brought)
            times[name], sources[name] = at, source
        return brought

    def _contend(self, part: str, row: Row, name: str, offer: Offer, brought: Brought, *, is_pinned: bool) -> None:
        path = PATHS[part, name]
        if name == "name" and part == COMPANY and not offer.value:
            return
        held = held_offer(row, name)
        rank = self.rank_of(path)
        settled = settle(held, row["overruled"].get(name, {}), offer, rank=rank, pinned=is_pinned)
        if settled.lost is not None:
            (brought.stale if settled.lost == "age" else brought.outranked).append(path)
        if settled.is_noted:
            brought.is_noted = True
            self.apply(part, row, name, settled, brought, came=offer)

    def apply(
        self, part: str, row: Row, name: str, settled: Settled, brought: Brought, *, came: Offer | None = None
    ) -> None:
        """Let a row hold what was settled. ``came``: the offer that has just come, which may have the moment and the
        source of the one before it.
        """
        holds = settled.holds
        held = row["field_times"].get(name), row["field_sources"].get(name, row["source"])
        if holds is came or held != (holds.at, holds.source):
            self._put(part, row, name, holds.value, brought)
            brought.is_disputed = True
            row["field_times"][name] = holds.at
        row["field_sources"][name] = holds.source
        if settled.overruled:
            row["overruled"][name] = {source: list(lost) for source, lost in settled.overruled.items()}
        else:
            row["overruled"].pop(name, None)

    def override(self, part: str, row: Row, name: str, offer: Offer) -> Brought:
        """Let a row hold what a person has set, whatever others say."""
        brought = Brought(is_noted=True)
        self.apply(part, row, name, override(held_offer(row, name), row["overruled"].get(name, {}), offer), brought)
        return brought

    def release(self, part: str, row: Row, name: str) -> Brought:
        """Let a row hold the best of what was offered, as its pin has gone."""
        brought = Brought(is_noted=True)
        held = held_offer(row, name)
        if held is not None and held.at < FOR_GOOD:
            settled = resettle(held, row["overruled"].get(name, {}), rank=self.rank_of(PATHS[part, name]))
            self.apply(part, row, name, settled, brought)
        return brought

    def _put(self, part: str, row: Row, name: str, value: Any, brought: Brought) -> None:
        brought.is_written = brought.is_noted = True
        path = PATHS[part, name]
        new = "" if value is None and name in TEXTS[part] else value
        if path in KEPT_FIGURES and not is_same(row[name], new):
            brought.figures[path] = as_text(value)
        row |= keyed(name, new) if part == COMPANY else {name: new}


def held_offer(row: Mapping[str, Any], name: str) -> Offer | None:
    """What a row holds of a field, None if nothing was ever said of it."""
    at = row["field_times"].get(name)
    if at is None:
        return None
    return Offer(as_text(row.get(name)), at, row["field_sources"].get(name, row["source"]))


def contend_for_contacts(row: Row, source: str, at: dt.datetime, *, rank: Rank) -> Settled:
    """Whether a list of contacts takes the place of the one that is known. Of the loser no values are kept.

    The caller replaces the contacts if it holds (``lost`` is None).
    """
    time = micros(at)
    held = held_offer(row, PEOPLE_FIELD)
    settled = settle(held, {}, Offer(None, time, source), rank=rank)
    if settled.is_noted:
        lost = {**row["overruled"].get(PEOPLE_FIELD, {}), **settled.overruled}
        lost.pop(settled.holds.source, None)
        row["field_times"][PEOPLE_FIELD] = settled.holds.at
        row["field_sources"][PEOPLE_FIELD] = settled.holds.source
        if lost:
            row["overruled"][PEOPLE_FIELD] = {one: list(value) for one, value in lost.items()}
        else:
            row["overruled"].pop(PEOPLE_FIELD, None)
    return settled


def keyed(name: str, value: Any) -> Row:
    """A column, and the key by which the list sorts, searches or compares it, where it has one."""
    if name == "name":
        return {name: value, "name_key": sort_key(value)}
    return {name: value, "owner_key": fold_text(value)} if name == "owner" else {name: value}


def is_same(old: Any, new: Any) -> bool:
    """Whether two values of a field are the same, however they are written: 100 and 100.00, a date and its text."""
    if old is None or new is None or old == "" or new == "":
        return (old is None or old == "") and (new is None or new == "")
    if isinstance(old, Decimal):
        try:
            return old == Decimal(str(new))
        except InvalidOperation:
            return False
    return str(old) == str(new)
