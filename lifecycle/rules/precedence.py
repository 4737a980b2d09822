"""Which of the values that sources offer for a field holds: the pinned, else by its source, else the newest.

Of each source the latest value is enough, so an offer never grows beyond the number of sources. Times are microseconds
since 1970; values are as JSON keeps them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

# What people set by hand, on the pages or through the API.
PEOPLE: Final = "/people"
# Of a field whose value was erased: no source's value is taken again. The largest time that a date can tell.
FOR_GOOD: Final = 253_402_300_799_999_999
# Sources of one field whose lost values are kept; the oldest gives way.
MOST_OVERRULED: Final = 8

Why = Literal["age", "priority", "pinned"]
Rank = Callable[[str], int]
# Source -> its value and its time.
Overruled = Mapping[str, tuple[Any, int]]


@dataclass(frozen=True, slots=True)
class Offer:
    """A value of a field, as a source gave it."""

    value: Any
    at: int
    source: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What a field holds after an offer. ``lost`` says why the offer does not hold; None where it does.

    ``is_noted``: there is something to write, be it only among the losers.
    """

    holds: Offer
    overruled: dict[str, tuple[Any, int]]
    lost: Why | None
    is_noted: bool


def settle(held: Offer | None, overruled: Overruled, offer: Offer, *, rank: Rank, pinned: bool = False) -> Settled:
    """What holds once ``offer`` has come. ``rank``: 0 for the source that goes before all others.

    A pin keeps what is held. Of one source a newer value replaces the older one; of the same moment the later to come
    counts: the log's order decides.
    """
    if held is None:
        return Settled(offer, dict(overruled), None, is_noted=True)
    own = held if held.source == offer.source else _of(overruled, offer.source)
    if held.at >= FOR_GOOD or (own is not None and own.at > offer.at):
        return Settled(held, dict(overruled), "age", is_noted=False)
    if pinned:
        return Settled(held, _bounded({**overruled, offer.source: (offer.value, offer.at)}), "pinned", is_noted=True)
    others = [held] if held.source != offer.source else []
    others += [Offer(*lost, source) for source, lost in overruled.items() if source != offer.source]
    best = offer
    for other in others:
        if (-rank(other.source), other.at) > (-rank(best.source), best.at):
            best = other
    losers = {one.source: (one.value, one.at) for one in [*others, offer] if one is not best}
    why: Why | None = None
    if best is not offer:
        why = "priority" if rank(best.source) < rank(offer.source) else "age"
    return Settled(best, _bounded(losers), why, is_noted=True)


def override(held: Offer | None, overruled: Overruled, offer: Offer) -> Settled:
    """What holds once a person has pinned ``offer``: it holds whatever the others say, which become losers."""
    losers = {source: lost for source, lost in overruled.items() if source != offer.source}
    if held is not None and held.source != offer.source:
        losers[held.source] = (held.value, held.at)
    return Settled(offer, _bounded(losers), None, is_noted=True)


def resettle(held: Offer, overruled: Overruled, *, rank: Rank) -> Settled:
    """What holds when a pin has gone: the best of what was offered, which may have come in the meantime."""
    best = held
    for source, (value, at) in overruled.items():
        if (-rank(source), at) > (-rank(best.source), best.at):
            best = Offer(value, at, source)
    losers = {source: lost for source, lost in overruled.items() if source != best.source}
    if best is not held:
        losers[held.source] = (held.value, held.at)
    return Settled(best, losers, None, is_noted=True)


def explain_loss(held: Offer, source: str, at: int, *, rank: Rank, is_pinned: bool) -> Why:
    """Why the offer of ``source`` does not hold now."""
    if is_pinned and source != held.source and (rank(source), -at) < (rank(held.source), -held.at):
        return "pinned"
    return "priority" if rank(held.source) < rank(source) else "age"


def rank_by(order: tuple[str, ...]) -> Rank:
    """The rank of sources in an order of priority: ``/crm`` speaks for ``/crm/eu-1`` too, unless that is listed.

    Sources that are not listed come after all that are, and are equal among themselves.
    """
    if not order:
        return _equal
    ranks = {source: place for place, source in enumerate(order)}

    def rank(source: str) -> int:
        while source:
            if source in ranks:
                return ranks[source]
            source = source.rpartition("/")[0]
        return len(ranks)

    return rank


def _equal(_source: str) -> int:
    return 0


def _of(overruled: Overruled, source: str) -> Offer | None:
    return Offer(*overruled[source], source) if source in overruled else None


def _bounded(losers: dict[str, tuple[Any, int]]) -> dict[str, tuple[Any, int]]:
    if len(losers) <= MOST_OVERRULED:
        return losers
    newest = sorted(losers, key=lambda source: losers[source][1], reverse=True)[:MOST_OVERRULED]
    return {source: losers[source] for source in newest}
