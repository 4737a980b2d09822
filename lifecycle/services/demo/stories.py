"""The life of one made-up customer, made from its number and the day: pure, and always the same.

A customer comes from the CRM on some day of the last two years (or was there before), and then moves as its
scenario's exits say, by those who come through the entry point, until the story reaches the present.
"""

import datetime as dt
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from lifecycle.rules.sample_names import name_company, name_person
from lifecycle.services.customers.facts import ContactFacts, CustomerFacts
from lifecycle.services.demo.scenarios import Exit, Scenario
from lifecycle.services.demo.terms import TERMS
from tenants.rules.configuration.categories import LOST, RISK

SEED = 20260101
DAYS = 730
# Customers that were there when the product was introduced.
LEGACY_SHARE = 0.35
# A year in sales: quiet summers, a busy autumn, nothing between the years. January first.
_SEASONS = (1.15, 1.0, 1.2, 1.0, 0.95, 1.0, 0.65, 0.55, 1.15, 1.25, 1.2, 0.75)
_SEGMENTS = (("Enterprise", 12, 180_000), ("Mid-Market", 33, 48_000), ("SMB", 55, 9_000))
# By what a contract grows when it is renewed, and in how many of a hundred cases.
_GROWTH = {0.7: 4, 0.85: 8, 1.0: 50, 1.1: 23, 1.25: 15}
# The category of customers who have not signed, or not again.
_TO_WIN = "acquisition"
# For so long the contract of a customer at risk stays open after its date: that is what the worry is about.
_UNSIGNED_DAYS = 45
_NOTES = (
    "Spoke with {name} on the phone. Follow-up agreed for next week.",
    "{name} asked for a written offer before the end of the month.",
    "Visited the site. {name} wants to see usage figures first.",
    "{name} has left the company; a new contact is being found.",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One transition. ``entry_point`` is its source: UI, API, EventListener or Import."""

    at: dt.datetime
    stage: str
    entry_point: str
    reason_code: str | None = None
    note: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A customer: what its systems report, who owns it, its first placement and every move after it.

    ``contracts``: what Billing had reported before, with each contract that was signed and when the customer was lost.
    """

    external_id: str
    owner: str
    facts: tuple[CustomerFacts, ...]
    placed: Step
    moves: tuple[Step, ...]
    contracts: tuple[tuple[dt.datetime, Mapping[str, Any]], ...] = ()


def external_id_of(scenario: Scenario, index: int) -> str:
    """The customer's name in the tenant's own systems."""
    return f"{scenario.prefix}-{index + 1:06d}"


def tell_story(scenario: Scenario, index: int, *, owners: tuple[str, ...], now: dt.datetime) -> Story:
    """The life of customer number ``index`` up to ``now``. ``owners`` are the usernames of the account managers."""
    random = Random(f"{SEED}|{scenario.slug}|{index}")  # noqa: S311  made-up data, the same every time
    external_id = external_id_of(scenario, index)
    company = name_company(scenario.first_company + index)
    country = company.country or scenario.country
    people = [name_person(random, company.domain, country) for _ in range(1 + (random.random() < 0.4))]
    path = _Path(scenario, external_id, random, now, contact=people[0].name)
    placed, moves = path.walk()
    segment, _, typical = random.choices(_SEGMENTS, [weight for _, weight, _ in _SEGMENTS])[0]
    owner, terms = random.choice(owners), TERMS[scenario.language]
    first = CustomerFacts(
        external_id=external_id,
        source="/crm",
        occurred_at=placed.at,
        event_id=placed.event_id or "",
        company={
            "name": company.name,
            "industry": terms.get(company.industry, company.industry),
            "segment": segment,
            "owner": owner,
        },
        contacts=[ContactFacts(*person._replace(role=terms.get(person.role, person.role))) for person in people],
        stage=placed.stage,
        stage_entered_at=placed.at,
    )
    # A multiple of 1,200, so that a month is a twelfth of it without a rest.
    arr = max(1200, int(typical * random.lognormvariate(0, 0.5)) // 1200 * 1200)
    currency = scenario.currencies.get(country, scenario.currency)
    figures = _tell_figures(path, external_id, arr, currency)
    facts = (first, *_sync_company(first, scenario, index, now), *figures)
    return Story(external_id, owner, facts, placed, moves, _tell_contracts(path, arr, currency))


def _sync_company(first: CustomerFacts, scenario: Scenario, index: int, now: dt.datetime) -> tuple[CustomerFacts, ...]:
    """The CRM goes over its customers every other day, and says again what it said; nothing of those that just came."""
    # With dice of its own: the story is what it was without.
    dice = Random(f"{SEED}|{scenario.slug}|{index}|sync")  # noqa: S311  made-up data
    at = now - dt.timedelta(hours=dice.uniform(1, 47))
    if at <= first.occurred_at:
        return ()
    event_id = f"crm-{first.external_id}-sync"
    return (CustomerFacts(first.external_id, "/crm", at, event_id, first.company, first.contacts),)


class _Path:
    """The walk from stage to stage, and the contract that begins and is renewed on the way."""

    def __init__(self, scenario: Scenario, external_id: str, random: Random, now: dt.datetime, *, contact: str) -> None:
        self.scenario, self.external_id, self.random, self.now = scenario, external_id, random, now
        self.contact = contact
        self.contract_from: dt.date | None = None
        self.renewal_on: dt.date | None = None
        # When each contract was signed, and the day on which it began.
        self.contracts: list[tuple[dt.datetime, dt.date]] = []
        self.lost_at: dt.datetime | None = None
        self.category = ""

    def walk(self) -> tuple[Step, tuple[Step, ...]]:
        """The placement and the moves, none of them after now."""
        scenario, random = self.scenario, self.random
        begin = self.now - dt.timedelta(days=DAYS)
        if random.random() < LEGACY_SHARE:
            # Brought over in one night; the contract had begun at any time of the year before.
            placed = Step(begin + dt.timedelta(seconds=random.randrange(6 * 3600)), scenario.signed, "Import")
            since = begin - dt.timedelta(days=random.randrange(3, 362))
            self._sign(since.date(), since)
        else:
            day, within = _find_day(self.now.date(), random.random()), random.randrange(8 * 3600, 19 * 3600)
            at = dt.datetime.combine(day, dt.time(tzinfo=dt.UTC)) + dt.timedelta(seconds=within)
            first = scenario.document["initial"]
            if at >= self.now:
                at = self.now - dt.timedelta(seconds=random.randrange(60, 7200))
            placed = Step(at, first, "EventListener", event_id=f"crm-{self.external_id}-1")
        moves: list[Step] = []
        step = placed
        while (following := self._next(step, len(moves))) is not None:
            moves.append(following)
            if following.stage == scenario.signed and self.contract_from is None:
                self._sign(following.at.date(), following.at)
            if scenario.document["categories"][following.stage] == LOST:
                self.lost_at = following.at
            step = following
        self.category = scenario.document["categories"][step.stage]
        self._renew_silently()
        return placed, tuple(moves)

    @property
    def is_over(self) -> bool:
        """Whether there is no contract, or none any more: the customer is lost, or is to be won."""
        return self.category in (LOST, _TO_WIN)

    def _renew_silently(self) -> None:
        """Contracts go on from year to year. Only with a customer at risk the last date may have passed unsigned."""
        today = self.now.date()
        if self.is_over:
            return
        while self.renewal_on is not None and self.renewal_on < today:
            if self.category == RISK and (today - self.renewal_on).days <= _UNSIGNED_DAYS:
                return
            self._sign(self.renewal_on, dt.datetime.combine(self.renewal_on, dt.time(8), dt.UTC))

    def _sign(self, day: dt.date, at: dt.datetime) -> None:
        self.contract_from, self.renewal_on = day, day + dt.timedelta(days=365)
        self.contracts.append((at, day))

    def _next(self, step: Step, number: int) -> Step | None:
        soonest: tuple[dt.datetime, Exit] | None = None
        for way_out in self.scenario.exits[step.stage]:
            at = self._when(step.at, way_out)
            if at is not None and (soonest is None or at < soonest[0]):
                soonest = (at, way_out)
        if soonest is None:
            return None
        at, way_out = soonest
        entry_point = self._pick_entry_point(way_out)
        if entry_point == "UI":
            at = _in_office_hours(at, self.random)
        # Two changes of one customer never fall on the same moment, and nothing lies ahead.
        if at <= step.at or at >= self.now:
            return None
        if way_out.at_renewal and self.renewal_on is not None:
            self._sign(self.renewal_on, at)
        return self._step(at, way_out, entry_point, number)

    def _when(self, since: dt.datetime, way_out: Exit) -> dt.datetime | None:
        random = self.random
        if not way_out.at_renewal:
            span = max(1.0, way_out.mean_days - way_out.least_days)
            return since + dt.timedelta(days=way_out.least_days + random.expovariate(1 / span))
        if self.renewal_on is None or random.random() > way_out.at_renewal:
            return None
        signed = self.renewal_on - dt.timedelta(days=random.randrange(22))
        at = dt.datetime.combine(signed, dt.time(9), dt.UTC) + dt.timedelta(seconds=random.randrange(28_800))
        return at if at > since else None

    def _pick_entry_point(self, way_out: Exit) -> str:
        if len(way_out.entry_points) == 1:
            return way_out.entry_points[0][0]
        return self.random.choices(
            [d for d, _ in way_out.entry_points], [weight for _, weight in way_out.entry_points]
        )[0]

    def _step(self, at: dt.datetime, way_out: Exit, entry_point: str, number: int) -> Step:
        if entry_point == "EventListener":
            rules = self.scenario.document["event_rules"]
            reason = next((rule["reason_code"] for rule in rules if rule["to"] == way_out.to), None)
            return Step(at, way_out.to, entry_point, reason, event_id=f"evt-{self.external_id}-{number + 2}")
        reason = self.random.choice(way_out.reasons) if way_out.reasons else None
        note = None
        if entry_point == "UI" and self.random.random() < 0.08:
            note = self.random.choice(_NOTES).format(name=self.contact)
        return Step(at, way_out.to, entry_point, reason, note)


def _tell_figures(path: _Path, external_id: str, arr: int, currency: str) -> list[CustomerFacts]:
    """What Billing and Support reported last: worse for customers at risk, nothing from Billing before a contract."""
    random, now = path.random, path.now
    risky, lost = path.category == RISK, path.is_over
    facts = []
    if path.contract_from is not None and path.renewal_on is not None:
        owes = random.random() < (0.4 if risky else 0.05)
        facts.append(
            CustomerFacts(
                external_id=external_id,
                source="/billing",
                occurred_at=now - dt.timedelta(hours=random.uniform(1, 72)),
                event_id=f"bill-{external_id}-1",
                billing={
                    "currency": currency,
                    "arr": f"{arr}.00",
                    "mrr": f"{arr / 12:.2f}",
                    "balance_overdue": f"{arr * random.uniform(0.02, 0.3):.2f}" if owes else "0.00",
                    "renewal_on": None if lost else path.renewal_on.isoformat(),
                    "contract_id": f"C-{external_id}",
                    "contract_starts_on": path.contract_from.isoformat(),
                    "contract_ends_on": path.renewal_on.isoformat(),
                },
            )
        )
    if random.random() < 0.85:
        csat = min(5.0, max(1.0, random.gauss(2.9 if risky else 4.2, 0.5)))
        facts.append(
            CustomerFacts(
                external_id=external_id,
                source="/support",
                occurred_at=now - dt.timedelta(hours=random.uniform(1, 200)),
                event_id=f"sup-{external_id}-1",
                support={
                    "open_issues": 0 if lost else int(random.expovariate(0.35 if risky else 1.2)),
                    "csat": f"{csat:.1f}",
                },
            )
        )
    return facts


def _tell_contracts(path: _Path, arr: int, currency: str) -> tuple[tuple[dt.datetime, Mapping[str, Any]], ...]:
    """What Billing reported when each contract was signed: most go on as they were, some grow, a few shrink. And when
    the customer was lost, that there is nothing to renew any more.
    """
    dice = Random(f"{SEED}|{path.external_id}|contracts")  # noqa: S311  made-up data
    reports: list[tuple[dt.datetime, Mapping[str, Any]]] = []
    if path.is_over and path.lost_at is not None and path.contracts:
        reports.append((path.lost_at, {"billing.renewal_on": None}))
    for at, begins in reversed(path.contracts):
        if at < path.now:
            ends = (begins + dt.timedelta(days=365)).isoformat()
            reports.append(
                (
                    at,
                    {
                        "billing.arr": f"{arr}.00",
                        "billing.mrr": f"{arr / 12:.2f}",
                        "billing.currency": currency,
                        "billing.renewal_on": ends,
                        "billing.contract_starts_on": begins.isoformat(),
                        "billing.contract_ends_on": ends,
                    },
                )
            )
        (grown,) = dice.choices(tuple(_GROWTH), tuple(_GROWTH.values()))
        arr = max(1200, round(arr / grown / 1200) * 1200)
    return tuple(reversed(reports))


def _in_office_hours(at: dt.datetime, random: Random) -> dt.datetime:
    """The same or the next working day, between eight and six."""
    day = at.date()
    if day.weekday() > 4:
        day += dt.timedelta(days=7 - day.weekday())
    return dt.datetime.combine(day, dt.time(8), dt.UTC) + dt.timedelta(seconds=random.randrange(36_000))


def while_at_work(at: dt.datetime, *, after: dt.datetime, before: dt.datetime) -> dt.datetime:
    """The time of a working day, between eight and six, that ``at`` is moved to; ``at`` if that is not between both."""
    midnight = dt.datetime.combine(at.date(), dt.time(tzinfo=dt.UTC))
    day = midnight + dt.timedelta(days=7 - at.weekday() if at.weekday() > 4 else 0)
    moved = day + dt.timedelta(hours=8) + (at - midnight) * (10 / 24)
    return moved if after < moved < before else at


def _find_day(today: dt.date, share: float) -> dt.date:
    """The day by which ``share`` of the customers had come."""
    return today - dt.timedelta(days=DAYS - 1 - bisect(_arrivals(today), share))


@lru_cache(maxsize=4)
def _arrivals(today: dt.date) -> tuple[float, ...]:
    """The share of customers that had come by each day, oldest first: seasons, working days, and steady growth."""
    weights = []
    for number in range(DAYS):
        day = today - dt.timedelta(days=DAYS - 1 - number)
        weekday = 1.0 if day.weekday() < 5 else 0.1
        weights.append(_SEASONS[day.month - 1] * weekday * (0.7 + 0.6 * number / DAYS))
    total = sum(weights)
    # The last is cut off: a share of almost 1 must still find a day.
    return tuple(weight / total for weight in accumulate(weights))[:-1]
