"""What the page of a customer says of where its figures come from, and of how its health came about."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext_lazy

from lifecycle.rules.fields import CONTACTS, FIELDS
from lifecycle.sentences.codes import name_source
from lifecycle.sentences.fields import name_field
from lifecycle.sentences.health import name_part
from lifecycle.services.customers.health_past import DAYS, Moment
from lifecycle.services.customers.offers import PEOPLE_FIELD, PINNABLE
from lifecycle.web.naming import OWNER, spell_value
from lifecycle.web.people import say_you
from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.accounts.members import Recorded, name_members_and_accounts

_PATHS: Final = tuple(field.path for field in FIELDS if field.part != CONTACTS)
WHY: Final = {
    "age": gettext_lazy("older"),
    "priority": gettext_lazy("another source goes first"),
    "pinned": gettext_lazy("the field is pinned"),
}
# The drawing of the line: four across for a day, a height of 100 points.
WIDTH, HEIGHT = 4 * DAYS, 100


@dataclass(frozen=True, slots=True)
class Overruled:
    """A value that does not hold, as it is shown. ``value`` None: it is not kept."""

    value: str | None
    source: str
    occurred_at: dt.datetime
    why: str


@dataclass(frozen=True, slots=True)
class ShownField:
    """One field of a customer: its value, where it comes from, who pinned it, and what it was chosen over."""

    path: str
    label: str
    value: str
    source: str
    occurred_at: dt.datetime | None
    may_be_pinned: bool
    is_pinned: bool
    pinned_by: str
    pinned_until: dt.datetime | None
    pin_reason: str
    overruled: Sequence[Overruled]
    version: int


def show_fields(
    profile: Mapping[str, Any], *, tenant: TenantRef, viewer: Identity, only: str | None = None
) -> list[ShownField]:
    """The fields of which something is known, in order; ``only`` one, known or not. One statement at most."""
    members, owners = name_members_and_accounts(people_of(profile), owners_of(profile), tenant=tenant)
    return name_fields(profile, say_you(members, viewer), owners, only=only)


def people_of(profile: Mapping[str, Any]) -> set[Recorded]:
    """Who has to be named to show the fields: who has pinned them, and when."""
    return {(one["pinned_by"], one["pinned_at"]) for one in profile["provenance"].values() if one["pinned_by"]}


def owners_of(profile: Mapping[str, Any]) -> set[str]:
    """Which owners have to be named to show the fields: today's, and those who were said to be."""
    said = {one["value"] for one in profile["provenance"].get(OWNER, {}).get("overruled", ())}
    return {owner for owner in (profile["company"]["owner"], *said) if owner}


def name_fields(
    profile: Mapping[str, Any],
    names: Mapping[Recorded, str],
    owners: Mapping[str, str],
    *,
    only: str | None = None,
) -> list[ShownField]:
    """As ``show_fields``, with names that are known. No statement."""
    known = profile["provenance"]
    paths = [only] if only else [path for path in (*_PATHS, PEOPLE_FIELD) if path in known]
    return [_show(path, profile, known.get(path), names, owners) for path in paths]


def _show(
    path: str,
    profile: Mapping[str, Any],
    known: Mapping[str, Any] | None,
    names: Mapping[Any, str],
    owners: Mapping[str, str],
) -> ShownField:
    pinned = known is not None and known["pinned_by"] is not None
    currency = profile["billing"]["currency"] or ""
    return ShownField(
        path=path,
        label=name_field(path),
        value=_value_of(path, profile, owners),
        source=name_source(known["source"]) if known else "",
        occurred_at=known["occurred_at"] if known else None,
        may_be_pinned=path in PINNABLE,
        is_pinned=pinned,
        pinned_by=names.get((known["pinned_by"], known["pinned_at"]), "") if known and pinned else "",
        pinned_until=known["pinned_until"] if known else None,
        pin_reason=(known["pin_reason"] or "") if known else "",
        overruled=[
            Overruled(
                None if path == PEOPLE_FIELD else spell_value(path, one["value"], currency, owners),
                name_source(one["source"]),
                one["occurred_at"],
                str(WHY[one["why"]]),
            )
            for one in (known["overruled"] if known else ())
        ],
        version=known["version"] if known else 0,
    )


def show_freshness(profile: Mapping[str, Any], now: dt.datetime) -> list[dict[str, Any]]:
    """On which day each source was last heard of about the customer: how many days ago in the reader's time zone."""
    today = timezone.localdate(now)
    return [
        {
            "source": name_source(one["source"]),
            "days": max(0, (today - timezone.localdate(one["heard_at"])).days),
            "at": one["heard_at"],
        }
        for one in profile["freshness"]
    ]


def name_parts(points: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The parts of a score that take something from it, or give, the heaviest first."""
    taken = sorted((one for one in points if one["points"]), key=lambda one: -one["points"])
    return [{"name": name_part(one["part"]), "points": one["points"], "given": -one["points"]} for one in taken]


def draw_line(timestamps: Sequence[Moment], marks: Sequence[tuple[dt.datetime, int]]) -> dict[str, Any]:
    """The line of a score in a box of WIDTH x HEIGHT, with a mark where the configuration changed."""
    first, last = timestamps[0].at, timestamps[-1].at
    span = max((last - first).total_seconds(), 1.0)

    def across(at: dt.datetime) -> float:
        return round(WIDTH * (at - first).total_seconds() / span, 1)

    points = " ".join(f"{across(one.at)},{HEIGHT - one.score}" for one in timestamps)
    return {
        "points": points,
        "marks": [{"x": across(at), "number": number, "at": at} for at, number in marks],
        "width": WIDTH,
        "height": HEIGHT,
    }


def _value_of(path: str, profile: Mapping[str, Any], owners: Mapping[str, str]) -> str:
    if path == PEOPLE_FIELD:
        return str(len(profile["contacts"]))
    part, name = PINNABLE[path]
    return spell_value(path, profile[part][name], profile["billing"]["currency"] or "", owners)
