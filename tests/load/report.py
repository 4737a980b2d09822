"""What is said of a run: a table of requests beside the floor, a table of failures, and what is over a limit."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.load.checks import Found
from tests.load.journal import CALM, Entry, Journal
from tests.messaging.chaos.running import say

FLOOR: Final = "floor"
# Relays that die, and brokers and databases that go away, leave messages that are sent again; nothing else does.
REPEATS_EXPLAINED: Final = 3_000


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the run: nothing, or one failure; what was done, and for how long it was looked at."""

    name: str
    seconds: float
    what: str = ""


def percentile(times: Sequence[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


def show_kinds(journal: Journal) -> None:
    """Of each kind of request without a failure: how many, p50 and p99, and p99 as a multiple of the floor's."""
    by_kind: dict[str, list[Entry]] = defaultdict(list)
    for entry in journal.entries:
        if entry.phase == CALM:
            by_kind[entry.kind].append(entry)
    floor = percentile([one.took for one in by_kind[FLOOR]], 0.99) or 1.0
    say(f"\n{'without a failure':24}{'requests':>9}{'errors':>8}{'p50 ms':>9}{'p99 ms':>9}{'of floor':>10}")
    for kind in sorted(by_kind, key=lambda one: (one != FLOOR, one)):
        entries = by_kind[kind]
        times = [one.took for one in entries]
        failed = sum(one.outcome != "ok" for one in entries)
        p99 = percentile(times, 0.99)
        say(f"{kind:24}{len(entries):9,}{failed:8}{percentile(times, 0.5):9.1f}{p99:9.1f}{p99 / floor:9.1f}x")


def show_phases(journal: Journal, phases: Sequence[Phase]) -> None:
    """A line for each failure."""
    stale = Counter(shown.phase for shown, _ in journal.stale)
    say(
        f"\n{'failure':20}{'seconds':>8}{'requests':>9}{'cured':>7}{'not cured':>10}{'refused':>8}{'stale':>6}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'longest s':>10}  what was done"
    )
    for phase in phases:
        entries = [one for one in journal.entries if one.phase == phase.name]
        outcomes = Counter(one.outcome for one in entries)
        times = [one.took for one in entries]
        say(
            f"{phase.name:20}{phase.seconds:8.0f}{len(entries):9,}{outcomes['cured']:7}{outcomes['failed']:10}"
            f"{outcomes['refused']:8}{stale[phase.name]:6}{percentile(times, 0.5):9.1f}{percentile(times, 0.99):9.1f}"
            f"{max(times, default=0):10.1f}  {phase.what}"
        )


def show_errors(journal: Journal, *, most: int = 12) -> None:
    """What went wrong, by what it was: errors that were cured as well, and how long those took at most."""
    kinds = Counter(
        (one.phase, one.kind, one.outcome, one.status, one.why[:110])
        for one in journal.entries
        if one.outcome in ("failed", "refused")
    )
    cured: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in journal.entries:
        if one.outcome == "cured":
            cured[one.phase, one.kind, one.why].append(one.took)
    for (phase, kind, why), times in sorted(cured.items(), key=lambda item: -max(item[1]))[:most]:
        say(f"  {len(times):5} x cured {kind} [{phase}] after {why}: {max(times):.1f} s at most")
    for (phase, kind, outcome, status, why), count in kinds.most_common(most):
        say(f"  {count:5} x {outcome} {status} {kind} [{phase}]: {why}")
    for shown, least in journal.stale[:most]:
        say(f"  stale: {shown.kind} showed {shown.value} of {shown.subject}, {least} was known [{shown.phase}]")


def judge(journal: Journal, found: Found, phases: Sequence[Phase], *, settled: bool, beside: bool = False) -> list[str]:
    """What is over a limit: nothing lost, doubled, out of order or stale; no error without a failure.

    ``beside`` other work of the machine a request without a failure may need a second try.
    """
    wrong = found.wrong + journal.trouble
    if journal.stale:
        wrong.append(f"{len(journal.stale)} reads were stale by more than {journal.fresh_seconds:.0f} s")
    well = ("ok", "cured") if beside else ("ok",)
    calm = [one for one in journal.entries if one.phase == CALM and one.outcome not in well]
    if calm:
        wrong.append(f"{len(calm)} of the requests without a failure were not answered well at once")
    refused = sum(one.outcome == "refused" and one.phase != CALM for one in journal.entries)
    if refused:
        wrong.append(f"{refused} requests were refused that had to be allowed")
    if found.repeated > (REPEATS_EXPLAINED if phases[1:] else 0):
        wrong.append(f"{found.repeated} messages were published again")
    if not settled:
        wrong.append("relay, consumer and effects were not done in time")
    if not journal.confirmed or not journal.looked_at:
        wrong.append("nothing was changed, or nothing looked at: the run proves nothing")
    return wrong
