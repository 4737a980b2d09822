"""How a customer's health came about: its score day by day, from figures, stages and configurations of the time."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from audit.models import LifecycleHistory
from lifecycle.models import FigureChange, Note, Task
from lifecycle.rules.figures import ARR, BALANCE, CSAT, ISSUES, RENEWAL
from lifecycle.rules.health import NO_WORK, START, Health, Work, days_in_stage, judge_figures, score_points
from lifecycle.services.customers.profiles import read_profile
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.health_formula import CATEGORY, HealthPart
from tenants.rules.configuration.policy import Policy
from tenants.services.configuration.policies import NoConfiguration, readable_policy

# How far back the score is shown.
DAYS: Final = 90
# Of each kind the newest are looked at: a customer has far fewer in such a time.
MOST_CHANGES, MOST_STAGES, MOST_VERSIONS, MOST_WRITINGS = 2000, 500, 20, 2000
# What a part of the score measures -> the figures that it is made of.
FIGURES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "overdue_share": (BALANCE, ARR),
    "csat": (CSAT,),
    "open_issues": (ISSUES,),
    "days_to_renewal": (RENEWAL,),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """The score at one time, the points that its parts take from 100, and the policy that said so."""

    at: dt.datetime
    score: int
    points: Mapping[str, int]
    policy: Policy


@dataclass(frozen=True, slots=True)
class Delta:
    """What one part did to the score since the day that is compared with; who reported it, and when (None: time).

    ``configuration``: the number of the version that has the part otherwise than before.
    """

    part: str
    points: int
    source: str | None
    at: dt.datetime | None
    configuration: int | None = None


@dataclass(frozen=True, slots=True)
class HealthPast:
    """Moments at the ends of days, the last one now; ``since`` is compared with now by ``deltas``, which sum exactly to
    the difference. ``configured``: when the configuration changed, with its number.
    """

    timestamps: Sequence[Moment]
    since: Moment | None
    deltas: Sequence[Delta]
    configured: Sequence[tuple[dt.datetime, int]]


def read_health_past(customer_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> HealthPast | None:
    """The score of the last ``DAYS``, as far as the figures' past reaches; None without such a customer.

    Call inside the tenant's context. Four statements, those of the profile, and two where the score asks
    for notes or tasks.
    """
    profile = read_profile(customer_id, tenant=tenant, now=now)
    if profile is None:
        return None
    known = _Known(customer_id, profile, tenant=tenant)
    start = (now - dt.timedelta(days=DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    ends = [start + dt.timedelta(days=number) for number in range(1, DAYS + 1)]
    timestamps = [
        timestamp for at in [*(end for end in ends if end < now), now] if (timestamp := known.look(at)) is not None
    ]
    monday = (now - dt.timedelta(days=now.weekday() or 7)).replace(hour=0, minute=0, second=0, microsecond=0)
    since = known.look(monday)
    deltas = known.compare(since, timestamps[-1]) if since is not None and timestamps else ()
    first = timestamps[0].at if timestamps else now
    return HealthPast(timestamps, since, deltas, [one for one in known.configured if one[0] >= first])


class _Known:
    """What was known of a customer at each time."""

    def __init__(self, customer_id: UUID, profile: Mapping[str, Any], *, tenant: TenantRef) -> None:
        of_customer = {"tenant_id": tenant.id, "customer_id": customer_id}
        rows = FigureChange.objects.filter(**of_customer).order_by("-effective_at", "-id")[:MOST_CHANGES]
        self.changes = list(reversed(rows.values_list("effective_at", "figures", "source")))
        stages = LifecycleHistory.objects.filter(**of_customer).order_by("-sequence")[:MOST_STAGES]
        found = stages.values_list("effective_at", "to_stage", "configuration_version", "source")
        self.stages = list(reversed(found))
        versions = ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=False).order_by("-number")
        published = versions.values_list("published_at", "number")[:MOST_VERSIONS]
        self.configured: list[tuple[dt.datetime, int]] = [
            (at, number) for at, number in reversed(published) if at and number
        ]
        self.tenant = tenant
        self.provenance = profile["provenance"]
        self.work = _WorkPast(of_customer)
        # Of a figure whose past was not kept the value counts since its time.
        changed = {path for _at, figures, _source in self.changes for path in figures}
        self.unchanged = {
            path: (self.provenance[path]["occurred_at"], profile[path.partition(".")[0]][path.partition(".")[2]])
            for paths in FIGURES_OF.values()
            for path in paths
            if path in self.provenance and path not in changed
        }

    def look(self, at: dt.datetime) -> Moment | None:
        """The score at a time; None where there was none."""
        looked = self._judge(at)
        if looked is None:
            return None
        judged, policy = looked
        return None if judged.score is None else Moment(at, judged.score, dict(score_points(judged)), policy)

    def compare(self, then: Moment, now: Moment) -> list[Delta]:
        """What each part did to the score between two times, what did most first."""
        deltas = []
        before, after = _parts_by_name(then.policy), _parts_by_name(now.policy)
        for name in dict.fromkeys([*now.points, *then.points]):
            difference = then.points.get(name, 0) - now.points.get(name, 0)
            if not difference:
                continue
            if before.get(name) != after.get(name):
                deltas.append(self._reconfigured(name, difference, now.policy))
            else:
                source, at = self._cause(after.get(name), then.at)
                deltas.append(Delta(name, difference, source, at))
        return sorted(deltas, key=lambda one: (-abs(one.points), one.part))

    def _reconfigured(self, name: str, points: int, policy: Policy) -> Delta:
        at = next((at for at, number in self.configured if number == policy.version), None)
        return Delta(name, points, None, at, policy.version)

    def _cause(self, part: HealthPart | int | None, since: dt.datetime) -> tuple[str | None, dt.datetime | None]:
        if not isinstance(part, HealthPart):
            return None, None
        if part.measure == CATEGORY:
            moved = [(source, at) for at, _stage, _version, source in self.stages if at > since]
            return moved[-1] if moved else (None, None)
        paths = FIGURES_OF.get(part.measure, ())
        changed = [(source, at) for at, figures, source in self.changes if at > since and set(paths) & figures.keys()]
        return changed[-1] if changed else (None, None)

    def _judge(self, at: dt.datetime) -> tuple[Health, Policy] | None:
        placed = [row for row in self.stages if row[0] <= at]
        if not placed:
            return None
        entered, stage, version, _source = placed[-1]
        policy = self._policy(at, stage, version)
        if policy is None:
            return None
        figures: dict[str, Any] = {path: value for path, (since, value) in self.unchanged.items() if since <= at}
        for changed_at, values, _source in self.changes:
            if changed_at > at:
                break
            figures |= values
        work = self.work.look(at) if policy.health.needs_work else NO_WORK
        days = days_in_stage(self._entered(placed, entered, stage), at)
        return judge_figures(policy, stage, days, figures, day=at.date(), work=work), policy

    def _entered(self, placed: Sequence[Any], entered: dt.datetime, stage: str) -> dt.datetime:
        """When the stage was entered: a change that left the customer in it did not begin it."""
        for before, after in reversed(list(pairwise(placed))):
            if before[1] != stage or after[1] != stage:
                break
            entered = before[0]
        return entered

    def _policy(self, at: dt.datetime, stage: str, version: int) -> Policy | None:
        """The configuration of the time; that of the change, where its stage has another name since."""
        live = [number for published, number in self.configured if published <= at]
        for number in (*live[-1:], version):
            try:
                policy = readable_policy(self.tenant.id, number)
            except NoConfiguration:
                continue
            if policy is not None and stage in policy.definitions:
                return policy
        return None


def _parts_by_name(policy: Policy) -> dict[str, HealthPart | int]:
    return {START: policy.health.start, **{part.name: part for part in policy.health.parts}}


class _WorkPast:
    """Notes and tasks as they stood at a time, read when they are asked for. When a task was due before is not kept."""

    def __init__(self, of_customer: Mapping[str, Any]) -> None:
        self.of_customer = of_customer

    @cached_property
    def notes(self) -> Sequence[tuple[dt.datetime, dt.datetime | None]]:
        """When each note was written and deleted, the newest first."""
        rows = Note.objects.filter(**self.of_customer).order_by("-id")
        return list(rows.values_list("created_at", "deleted_at")[:MOST_WRITINGS])

    @cached_property
    def tasks(self) -> Sequence[tuple[dt.datetime, dt.date, dt.datetime | None]]:
        """When each task was made, due and done."""
        rows = Task.objects.filter(**self.of_customer).order_by("-id")
        return list(rows.values_list("created_at", "due_key", "done_at")[:MOST_WRITINGS])

    def look(self, at: dt.datetime) -> Work:
        """What was written down by then."""
        days = next(
            (
                (at - created).days
                for created, deleted in self.notes
                if created <= at and (deleted is None or deleted > at)
            ),
            None,
        )
        due = [
            created
            for created, due_on, done in self.tasks
            if created <= at and due_on < at.date() and (done is None or done > at)
        ]
        return Work(days, len(due))
