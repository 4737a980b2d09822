"""Which customers at risk recovered, beside those like them for whom nothing was done.

Two traps make whatever is done look better, or worse. Customers that recover in two days leave no time for a call: so
only those count that were still at risk after a week, and only what was done in that week. And those that are worst
off are called most: so each is compared with customers of the same reason, stage and severity, weighed as they occur
among those for whom it was done. What is left may still have other causes: it is no proof.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lifecycle.rules.forecast.tables import wilson

ACTIONS: Final = ("note", "task", "message", "contact")
NOTHING: Final = "nothing"
RECOVERED: Final = "recovered"
# Of those for whom something was done, who has anyone alike; and those alike for whom nothing was done.
COMPARABLE: Final = "comparable"
ALIKE: Final = "alike"
# What a list of the customers behind a figure is asked for: those of an action, those that are compared, those alike;
# or those of them that recovered.
WAYS: Final = tuple(
    f"{whose}{more}"
    for more in ("", f" {RECOVERED}")
    for whose in (NOTHING, *ACTIONS, *(f"{action} {side}" for action in ACTIONS for side in (COMPARABLE, ALIKE)))
)


@dataclass(frozen=True, slots=True)
class Episode:
    """So many customers at risk who are alike: ``done`` are the ACTIONS of their first week, in that order."""

    reason: str
    stage: str
    severity: int
    done: tuple[bool, bool, bool, bool]
    recovered: bool
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many recovered, and the interval of 95%. ``share`` is weighed where it is of those alike."""

    recovered: int
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Saved:
    """An action (or NOTHING) for a reason, None for all: those for whom it was done, and those alike without anything.

    ``comparable``: how many of the former have anyone alike; ``matched`` is their share, ``alike`` that of the others,
    weighed as the former occur. None where there is no one to compare.
    """

    reason: str | None
    action: str
    all: Share
    comparable: int = 0
    matched: Share | None = None
    alike: Share | None = None

    @property
    def difference(self) -> float | None:
        """By how much more of them recovered than of those alike."""
        return None if self.matched is None or self.alike is None else self.matched.share - self.alike.share


Stratum = tuple[str, str, int]
# Of a stratum: how many recovered, and how many there are.
Counts = Mapping[Stratum, tuple[int, int]]


def compare_actions(episodes: Sequence[Episode]) -> list[Saved]:
    """For all reasons, then for each, the most frequent first: nothing, then each action."""
    by_reason: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        by_reason[episode.reason].append(episode)
    order = sorted(by_reason, key=lambda reason: (-sum(one.count for one in by_reason[reason]), reason))
    found = _compare(None, episodes) if episodes else []
    for reason in order:
        found += _compare(reason, by_reason[reason])
    return found


def _compare(reason: str | None, episodes: Sequence[Episode]) -> list[Saved]:
    without = _count(one for one in episodes if not any(one.done))
    found = [Saved(reason, NOTHING, _share(without))]
    for number, action in enumerate(ACTIONS):
        having = _count(one for one in episodes if one.done[number])
        common = {stratum: counts for stratum, counts in having.items() if stratum in without}
        comparable = sum(count for _, count in common.values())
        found.append(
            Saved(
                reason,
                action,
                _share(having),
                comparable,
                _share(common) if comparable else None,
                _weigh(common, without) if comparable else None,
            )
        )
    return found


def _count(episodes: Iterable[Episode]) -> dict[Stratum, tuple[int, int]]:
    counts: dict[Stratum, tuple[int, int]] = {}
    for one in episodes:
        key = (one.reason, one.stage, one.severity)
        recovered, count = counts.get(key, (0, 0))
        counts[key] = (recovered + one.count * one.recovered, count + one.count)
    return counts


def _share(counts: Counts) -> Share:
    recovered, count = (sum(one[place] for one in counts.values()) for place in (0, 1))
    share = recovered / count if count else 0.0
    return Share(recovered, count, share, *wilson(share, count))


def _weigh(common: Counts, without: Counts) -> Share:
    """The share of those alike as if their strata were as frequent as among ``common``.

    Its interval is that of as many customers as would make the same spread if they were all of one stratum.
    """
    whole = sum(count for _, count in common.values())
    share = spread = 0.0
    for stratum, (_, count) in common.items():
        recovered, alike = without[stratum]
        share += count / whole * recovered / alike
        spread += (count / whole) ** 2 / alike
    used = [without[stratum] for stratum in common]
    low, high = wilson(share, 1 / spread)
    return Share(sum(one for one, _ in used), sum(count for _, count in used), share, low, high)
