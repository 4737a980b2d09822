"""What clients did and what they were answered. Everything that is judged afterwards is in here."""

import threading
import time
from bisect import bisect_right
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

# A read that begins later than this after a change was answered shows that change, or something newer.
FRESH_SECONDS: Final = 1.0
# The same where the machine is busy with other things: a replica, or who answers, may get no processor for a while.
FRESH_SECONDS_BESIDE: Final = 10.0
CALM: Final = "no failure"


class Entry(NamedTuple):
    """One request: how long it took with all its tries, and how it ended.

    ``outcome``: ok, cured (a try failed, a later one did not), failed (none was answered well), refused (4xx).
    """

    phase: str
    kind: str
    took: float
    outcome: str
    status: int
    why: str


class Shown(NamedTuple):
    """A version or a value that a read showed; ``began``: when its last try was sent."""

    phase: str
    kind: str
    subject: str
    value: int
    began: float


class Wanted(NamedTuple):
    """A change that was asked for."""

    customer: str
    stage: str
    began: float


@dataclass(slots=True)
class Acknowledged:
    """Numbers that only rise, of one subject, each with when it was answered."""

    at: list[float] = field(default_factory=list)
    highest: list[int] = field(default_factory=list)

    def add(self, at: float, number: int) -> None:
        """Answered now, and so later than all before."""
        self.at.append(at)
        self.highest.append(max(number, self.highest[-1] if self.highest else 0))

    def floor(self, began: float, fresh_seconds: float) -> int:
        """The least that a read may show that began then."""
        place = bisect_right(self.at, began - fresh_seconds)
        return self.highest[place - 1] if place else 0


class Journal:
    """Filled by many threads."""

    def __init__(self, fresh_seconds: float = FRESH_SECONDS) -> None:
        self.phase = CALM
        self.fresh_seconds = fresh_seconds
        self.entries: list[Entry] = []
        self.stale: list[tuple[Shown, int]] = []
        # Lists and pages are looked at by the hundred: only what is stale is kept of what reads showed.
        self.looked_at = 0
        # (customer, version) -> stage of every change that was confirmed.
        self.confirmed: dict[tuple[str, int], str] = {}
        # Asked for and not answered well: it may have been made, or not.
        self.unknown: list[Wanted] = []
        # Note or task id -> its unique text.
        self.notes: dict[str, str] = {}
        self.tasks: dict[str, str] = {}
        self.tasks_done: set[str] = set()
        self.texts_unknown: set[str] = set()
        # External id -> the last number that was confirmed by PUT, and those that may be there.
        self.put: dict[str, int] = defaultdict(int)
        self.put_unknown: dict[str, set[int]] = defaultdict(set)
        # Event id -> external id and number, of every event that the broker has.
        self.events: dict[str, tuple[str, int]] = {}
        self.event_errors = 0
        # What each reader of the feed got, in its order: position, history id.
        self.feeds: list[list[tuple[int, str]]] = []
        self.hints: list[float] = []
        self.listening: list[tuple[float, float]] = []
        self.changed_at: list[tuple[float, str]] = []
        self.streams_opened = self.streams_cut = self.streams_refused = self.sessions_lost = 0
        self.trouble: list[str] = []
        # Customers that were changed lately: readers look there.
        self.recent: deque[str] = deque(maxlen=30)
        self._acknowledged: dict[str, Acknowledged] = defaultdict(Acknowledged)
        self._lock = threading.Lock()

    def acknowledge(self, subject: str, number: int) -> None:
        """From now on everyone has to see this number of the subject, or a higher one."""
        with self._lock:
            self._acknowledged[subject].add(time.monotonic(), number)

    def confirm(self, customer: str, version: int, stage: str) -> None:
        """A change was answered with this version."""
        with self._lock:
            if (customer, version) in self.confirmed:
                self.trouble.append(f"version {version} of {customer} was confirmed twice")
            self.confirmed[customer, version] = stage
            self.changed_at.append((time.monotonic(), self.phase))
            self.recent.append(customer)
        self.acknowledge(customer, version)

    def show(self, kind: str, subject: str, number: int, began: float) -> None:
        """A read showed this number; it is stale when a higher one was answered more than a second before it began."""
        with self._lock:
            self.looked_at += 1
            known = self._acknowledged.get(subject)
            least = known.floor(began, self.fresh_seconds) if known else 0
            if number < least:
                self.stale.append((Shown(self.phase, kind, subject, number, began), least))
