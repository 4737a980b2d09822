"""What rules would have done: which churns their alarms came before, and how many alarms came to nothing.

A rule *caught* a churn if it fired within 90 days before it, with no other churn of the customer between; the lead is
the time from the earliest such alarm. An alarm is *false* when 90 whole days have passed without a churn, and
*undecided* while they have not. All counts add up over customers, so that they can be taken in parts.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lifecycle.rules.figures import ARR, CURRENCY
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.risk.alarms import DAY, Alarm, Past, Watch, stage_at, value_at


@dataclass(slots=True)
class RuleTally:
    """What one rule did. ``leads``: days before the churn, rounded down -> how many churns; ``value``: currency ->
    annual revenue of those who were caught, as known at the alarm; ``added``: churns that no other rule that is on
    caught; ``due``: customers for whom it would fire now.
    """

    alarms: int = 0
    false: int = 0
    undecided: int = 0
    leads: Counter[int] = field(default_factory=Counter)
    value: dict[str, Decimal] = field(default_factory=dict)
    added: int = 0
    due: int = 0

    @property
    def caught(self) -> int:
        """Churns that the rule caught."""
        return sum(self.leads.values())

    def lead_at(self, share: float) -> int | None:
        """The days of lead that this share of churns does not exceed: 0.5 for the median. None: nothing was caught.

        The smallest lead such that at least this share of churns has no more.
        """
        total, seen = self.caught, 0
        for days, count in sorted(self.leads.items()):
            seen += count
            if seen >= share * total:
                return days
        return None

    def add(self, other: "RuleTally") -> None:
        """Count another part in."""
        self.alarms += other.alarms
        self.false += other.false
        self.undecided += other.undecided
        self.added += other.added
        self.due += other.due
        self.leads.update(other.leads)
        for currency, amount in other.value.items():
            self.value[currency] = self.value.get(currency, Decimal()) + amount

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "alarms": self.alarms,
            "false": self.false,
            "undecided": self.undecided,
            "leads": {str(days): count for days, count in sorted(self.leads.items())},
            "value": {currency: str(amount) for currency, amount in sorted(self.value.items())},
            "added": self.added,
            "due": self.due,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "RuleTally":
        """From what is kept."""
        return cls(
            alarms=kept["alarms"],
            false=kept["false"],
            undecided=kept["undecided"],
            leads=Counter({int(days): count for days, count in kept["leads"].items()}),
            value={currency: Decimal(amount) for currency, amount in kept["value"].items()},
            added=kept["added"],
            due=kept["due"],
        )


@dataclass(slots=True)
class Tally:
    """What all rules did: over how many customers, with how many churns, and since when anything is known.

    ``rules`` are in the order of the configuration; ``since`` is None as long as there was no one.
    """

    rules: list[RuleTally]
    customers: int = 0
    churns: int = 0
    since: int | None = None

    @classmethod
    def of(cls, count: int) -> "Tally":
        """Nothing yet, of so many rules."""
        return cls([RuleTally() for _ in range(count)])

    def add(self, other: "Tally") -> None:
        """Count another part in."""
        self.customers += other.customers
        self.churns += other.churns
        if other.since is not None:
            self.since = _earlier(self.since, other.since)
        for mine, theirs in zip(self.rules, other.rules, strict=True):
            mine.add(theirs)

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        rules = [rule.to_json() for rule in self.rules]
        return {"customers": self.customers, "churns": self.churns, "since": self.since, "rules": rules}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Tally":
        """From what is kept."""
        rules = [RuleTally.from_json(rule) for rule in kept["rules"]]
        return cls(rules, kept["customers"], kept["churns"], kept["since"])


@dataclass(frozen=True, slots=True)
class Period:
    """What is played: alarms and churns from ``since`` to ``until``, both included."""

    since: int
    until: int


def judge_customer(watches: Sequence[Watch], past: Past, churns: Sequence[int], period: Period, tally: Tally) -> None:
    """Test the rules over one customer and count what they did. ``churns``: when it was lost, in order."""
    if not past.stays or past.stays[0].since > period.until:
        return
    tally.customers += 1
    first = max(past.stays[0].since, period.since)
    tally.since = _earlier(tally.since, first)
    lost = [at for at in churns if period.since <= at <= period.until]
    tally.churns += len(lost)
    caught: list[frozenset[int]] = []
    for watch, of_rule in zip(watches, tally.rules, strict=True):
        alarms = watch.alarms(past, period.until)
        caught.append(_judge(alarms, lost, past, period, of_rule))
        of_rule.due += _is_due(watch, alarms, past, period.until)
    for index, found in enumerate(caught):
        for other, theirs in enumerate(caught):
            if found and other != index and watches[other].rule.enabled:
                found = found - theirs
        tally.rules[index].added += len(found)


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _judge(
    alarms: Sequence[Alarm], lost: Sequence[int], past: Past, period: Period, tally: RuleTally
) -> frozenset[int]:
    """Count one rule's alarms; the churns that it caught."""
    earliest: dict[int, int] = {}
    for alarm in alarms:
        if alarm.at < period.since:
            continue
        tally.alarms += 1
        after = bisect_right(lost, alarm.at)
        churn = lost[after] if after < len(lost) else None
        if churn is not None and churn - alarm.at <= HORIZON_DAYS * DAY:
            earliest.setdefault(churn, alarm.at)
        elif period.until - alarm.at >= HORIZON_DAYS * DAY:
            tally.false += 1
        else:
            tally.undecided += 1
    for churn, at in earliest.items():
        tally.leads[(churn - at) // DAY] += 1
        arr = value_at(past.changes.get(ARR, ()), at)
        if arr not in (None, ""):
            currency = value_at(past.changes.get(CURRENCY, ()), at) or ""
            tally.value[currency] = tally.value.get(currency, Decimal()) + Decimal(str(arr))
    return frozenset(earliest)


def _is_due(watch: Watch, alarms: Sequence[Alarm], past: Past, now: int) -> bool:
    """Whether it would fire now: it has fired, the stretch goes on, and the customer is still where it looks."""
    if not alarms or alarms[-1].until <= now:
        return False
    stage = stage_at(past.stays, now)
    return stage is not None and watch.looks_at(stage)
