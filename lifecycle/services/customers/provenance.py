"""Where each field of a customer comes from: its source and time, who pinned it, and the values that lost, and why."""

import datetime as dt
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from lifecycle.rules.fields import BILLING, COMPANY, SUPPORT, names_of
from lifecycle.rules.ownership import find_source_root
from lifecycle.rules.precedence import FOR_GOOD, PEOPLE, Offer, Rank, explain_loss
from lifecycle.services.customers.offers import PATHS, PEOPLE_FIELD, held_offer

Json = dict[str, Any]
PARTS: Final = (COMPANY, BILLING, SUPPORT)
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def keep_record(row: Mapping[str, Any]) -> Json:
    """What the provenance of a profile is made of, from a row of ``facts.find_profile``, ready for the cache."""
    return {
        "pins": _load(row["pins"]),
        **{
            part: {
                "source": row[f"{part}_source"] or "",
                **{name: _load(row[f"{part}_{name}"]) for name in ("field_times", "field_sources", "overruled")},
            }
            for part in PARTS
        },
    }


def describe_provenance(profile: Json, *, rank_of: Callable[[str], Rank]) -> Json:
    """By the path of each field of which something is known: ``source``, ``occurred_at``, who pinned it, until when
    and why, the ``overruled`` values, and a ``version`` that changes whenever any of it does.
    """
    record = profile["record"]
    pins = record["pins"]
    return {
        path: _describe(held, lost, pins.get(path), rank_of(path))
        for path, held, lost in _walk(profile, record)
        if held.at < FOR_GOOD
    }


def describe_freshness(profile: Json) -> list[Json]:
    """When each module or file was last heard of about the customer, the one that was silent longest first."""
    heard: dict[str, int] = {}
    for _path, held, lost in _walk(profile, profile["record"]):
        for source, at in ((held.source, held.at), *((source, at) for source, (_value, at) in lost.items())):
            root = find_source_root(source)
            if source not in ("", PEOPLE) and at < FOR_GOOD:
                heard[root] = max(heard.get(root, 0), at)
    return [{"source": root, "heard_at": _timestamp(at)} for root, at in sorted(heard.items(), key=lambda one: one[1])]


def version_of(held: Offer | None, lost: Mapping[str, Any], pin: Mapping[str, Any] | None) -> int:
    """A number for what is known of a field: another one as soon as a source, a person or a pin changes anything."""
    shown = [held and [held.at, held.source], lost, pin]
    return zlib.crc32(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS, default=str))


def _walk(profile: Json, record: Json) -> Iterator[tuple[str, Offer, Mapping[str, Any]]]:
    for part in PARTS:
        kept = record[part]
        row = {**profile[part], **kept}
        names = (*names_of(part), PEOPLE_FIELD) if part == COMPANY else names_of(part)
        for name in names:
            held = held_offer(row, name)
            if held is not None:
                path = PEOPLE_FIELD if name == PEOPLE_FIELD else PATHS[part, name]
                yield path, held, kept["overruled"].get(name, {})


def _describe(held: Offer, lost: Mapping[str, Any], pin: Mapping[str, Any] | None, rank: Rank) -> Json:
    overruled = [
        {
            "value": value,
            "source": source,
            "occurred_at": _timestamp(at),
            "why": explain_loss(held, source, at, rank=rank, is_pinned=pin is not None),
        }
        for source, (value, at) in sorted(lost.items(), key=lambda one: -one[1][1])
    ]
    return {
        "source": held.source,
        "occurred_at": _timestamp(held.at),
        "pinned_by": None if pin is None else pin["by"],
        "pinned_at": None if pin is None else dt.datetime.fromisoformat(pin["at"]),
        "pinned_until": None if pin is None or pin["until"] is None else dt.datetime.fromisoformat(pin["until"]),
        "pin_reason": None if pin is None else pin["reason"],
        "overruled": overruled,
        "version": version_of(held, lost, pin),
    }


def _timestamp(at: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=at)


def _load(value: Any) -> Any:
    """An object as the database gives it; of a part that has no row there is none."""
    return orjson.loads(value) if isinstance(value, str) else value or {}
