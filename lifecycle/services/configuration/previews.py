"""Trying a configuration on the live customers and on what really happened, without writing anything."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from lifecycle.models import CustomerLifecycleStatus
from lifecycle.rules.transitions import Allowed, Change, Refused, Status, decide
from lifecycle.sentences import say
from lifecycle.services.configuration.health_preview import (
    BandChange,
    ChangedCustomer,
    HealthQuestion,
    count_health_changes,
    list_health_changes,
    rename_stages,
)
from lifecycle.services.configuration.plans import complete_renames, judge_plan
from lifecycle.services.configuration.started import SOURCE as CONFIGURATION
from lifecycle.services.configuration.started import StartedCount, count_started, find_leaving
from lifecycle.services.transitions.undo import SOURCE as UNDO
from storage.timeouts import allow_seconds
from tenants.actors import TenantRef
from tenants.rules.configuration.document import Configuration, ConfigurationChange, Finding, diff_configurations
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.rules.configuration.widening import warn_of_widening
from tenants.services.configuration import versions
from tenants.services.configuration.policies import policy_of

HISTORY_DAYS = 90
EXAMPLES = 3
PREVIEW_SECONDS = 120
# Moves of which no configuration asks that a transition leads there: back to where someone was, or out of a stage that
# goes away.
WITHOUT_TRANSITION = frozenset({UNDO, CONFIGURATION})

# What really happened, by kind of move: one pass over the tenant's rows of the last 90 days. What was changed since
# was also recorded since, give or take the clocks of application and database; that is what has an index.
_MOVES = """
SELECT from_stage, to_stage, reason_code, source, configuration_version, count(*),
       (array_agg(customer_id ORDER BY changed_at DESC))[1:%(examples)s], max(changed_at)
  FROM customer_lifecycle_history
 WHERE tenant_id = %(tenant_id)s AND changed_at >= %(since)s AND from_stage IS NOT NULL
   AND recorded_at >= %(since)s::timestamptz - interval '1 hour'
 GROUP BY 1, 2, 3, 4, 5
"""
# Customers that are in their stage for more than a number of whole days, a stage each.
_OVERDUE = """
SELECT s.stage, count(*)
  FROM customer_lifecycle_status s JOIN unnest(%(stages)s::text[], %(days)s::int[]) AS expected(stage, days)
       ON expected.stage = s.stage
 WHERE s.tenant_id = %(tenant_id)s AND s.stage_entered_at <= %(now)s - make_interval(days => expected.days + 1)
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class StageCount:
    """A stage and the customers in it now."""

    stage: str
    customers: int


@dataclass(frozen=True, slots=True)
class OverdueCount:
    """Customers over the expected days of a stage: today, and if the configuration were live."""

    stage: str
    now: int
    then: int


@dataclass(frozen=True, slots=True)
class RefusedMove:
    """Moves of the last 90 days that the configuration would refuse, by kind, with examples."""

    from_stage: str
    to_stage: str
    reason_code: str
    source: str
    code: str
    sentence: str
    count: int
    last_at: dt.datetime
    examples: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class HealthPreview:
    """How many customers would change their band of health, from which to which, and those who would lose most."""

    customers: int
    bands: tuple[BandChange, ...]
    examples: tuple[ChangedCustomer, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a configuration would do. When it is not ``valid`` nothing is known beyond the findings.

    ``plan_findings``: what is wrong with the renames and the mapping, which only publishing needs to be right.
    """

    valid: bool
    findings: tuple[Finding, ...]
    live_version: int
    plan_findings: tuple[Finding, ...] = ()
    changes: tuple[ConfigurationChange, ...] = ()
    customers: int = 0
    stages_going_away: tuple[StageCount, ...] = ()
    mapping_needed: tuple[str, ...] = ()
    new_dead_ends: tuple[StageCount, ...] = ()
    overdue: tuple[OverdueCount, ...] = ()
    history_days: int = HISTORY_DAYS
    moves_judged: int = 0
    moves_refused: int = 0
    refused_moves: tuple[RefusedMove, ...] = field(default=())
    health: HealthPreview | None = None
    effects: tuple[StartedCount, ...] = ()

    @property
    def effects_total(self) -> int:
        """How many effects the moves of the mapping start, where that is asked for."""
        return sum(effect.count for effect in self.effects)


def preview_configuration(
    configuration: Configuration | None,
    findings: Sequence[Finding],
    *,
    tenant: TenantRef,
    now: dt.datetime,
    renamed: Mapping[str, str] | None = None,
    mapping: Mapping[str, Any] | None = None,
    made_by: Collection[str] = (),
) -> Preview:
    """Try what ``read_configuration`` gave on every customer as it is, and on the last 90 days. Writes nothing.

    ``made_by``: who would publish it. A fixed number of statements, whatever the number of customers. Call inside the
    tenant's context.
    """
    # It reads what every customer of the tenant did in 90 days.
    allow_seconds(PREVIEW_SECONDS)
    live = versions.live_version(tenant)
    number = (live.number or 0) if live else 0
    if configuration is None:
        return Preview(valid=False, findings=tuple(findings), live_version=number)
    renamed, mapping = dict(renamed or {}), dict(mapping or {})
    policy = compile_policy(configuration, version=number + 1)
    before = policy_of(live)
    counts = CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage()
    stages = versions.list_stages(tenant)
    targets, plan_findings = judge_plan(configuration, renamed=renamed, mapping=mapping, stages=stages)
    renamed = complete_renames(configuration, renamed, stages=stages)
    gone = [
        StageCount(stage, count)
        for stage, count in sorted(counts.items())
        if renamed.get(stage, stage) not in policy.stages
    ]
    names = rename_stages(stages, renamed=renamed, targets=targets)
    changes = diff_configurations(before.configuration, configuration, renamed=renamed) if before else []
    refused, judged = _judge_history(policy, renamed, tenant=tenant, now=now)
    return Preview(
        valid=True,
        findings=(*findings, *warn_of_widening(changes, configuration)),
        plan_findings=tuple(plan_findings),
        live_version=number,
        changes=tuple(changes),
        customers=sum(counts.values()),
        stages_going_away=tuple(gone),
        mapping_needed=tuple(row.stage for row in gone if row.stage not in targets),
        new_dead_ends=tuple(_find_dead_ends(policy, before, counts, renamed)),
        overdue=tuple(_compare_overdue(policy, before, renamed, stages, tenant=tenant, now=now)),
        moves_judged=judged,
        moves_refused=sum(move.count for move in refused),
        refused_moves=tuple(refused),
        effects=count_started(find_leaving(policy, targets, counts, renamed), tenant=tenant, made_by=made_by, now=now),
        health=_compare_health(HealthQuestion(before, policy, names), tenant=tenant, now=now) if before else None,
    )


def _compare_health(question: HealthQuestion, *, tenant: TenantRef, now: dt.datetime) -> HealthPreview:
    changes = count_health_changes(question, tenant=tenant, now=now)
    examples: list[ChangedCustomer] = []
    if changes.changed:
        examples, _following = list_health_changes(question, tenant=tenant, now=now)
    return HealthPreview(changes.changed, changes.bands, tuple(examples))


def _find_dead_ends(
    policy: Policy, before: Policy | None, counts: Mapping[str, int], renamed: Mapping[str, str]
) -> list[StageCount]:
    """Stages with customers from which the new rules lead nowhere, where the old ones did."""
    found = []
    for stage, count in sorted(counts.items()):
        name = renamed.get(stage, stage)
        is_end = name in policy.definitions and not policy.allowed_from(name)
        was_end = before is not None and stage in before.definitions and not before.allowed_from(stage)
        if is_end and not was_end:
            found.append(StageCount(stage, count))
    return found


def _compare_overdue(
    policy: Policy,
    before: Policy | None,
    renamed: Mapping[str, str],
    stages: Collection[str],
    *,
    tenant: TenantRef,
    now: dt.datetime,
) -> list[OverdueCount]:
    # By the stages of today: a new stage may have the name that one of them has now.
    then = {stage: days for stage in stages if (days := policy.max_days(renamed.get(stage, stage))) is not None}
    today = {stage: days for stage in before.stages if (days := before.max_days(stage)) is not None} if before else {}
    counts_then, counts_now = (_count_overdue(days, tenant=tenant, now=now) for days in (then, today))
    return [
        OverdueCount(stage, counts_now.get(stage, 0), counts_then.get(stage, 0))
        for stage in sorted(counts_now.keys() | counts_then.keys())
    ]


def _count_overdue(expected: Mapping[str, int], *, tenant: TenantRef, now: dt.datetime) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            _OVERDUE,
            {"tenant_id": tenant.id, "stages": list(expected), "days": list(expected.values()), "now": now},
        )
        return dict(cursor.fetchall())


def _judge_history(
    policy: Policy, renamed: Mapping[str, str], *, tenant: TenantRef, now: dt.datetime
) -> tuple[list[RefusedMove], int]:
    """The moves of the last 90 days that the new rules would refuse, most frequent first, and how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVES,
            {"tenant_id": tenant.id, "since": now - dt.timedelta(days=HISTORY_DAYS), "examples": EXAMPLES},
        )
        rows = cursor.fetchall()
    names = {**versions.present_names(tenant)}
    refused: dict[tuple[str, ...], list[Any]] = {}
    judged: Counter[str] = Counter()
    no_customer = UUID(int=0)
    for from_stage, to_stage, reason, source, version, count, examples, last_at in rows:
        judged["all"] += count
        origin, target = (
            renamed.get(name, name)
            for name in (versions.present_name(stage, version, names) for stage in (from_stage, to_stage))
        )
        decision = decide(
            policy,
            Status(customer_id=no_customer, stage=origin, version=1),
            Change(
                customer_id=no_customer,
                stage=target,
                reason_code=reason or None,
                is_return=source in WITHOUT_TRANSITION,
            ),
            may_update=True,
        )
        if isinstance(decision, Refused):
            key = (origin, target, reason, source, decision.code)
            entry = refused.setdefault(key, [say(decision.message), 0, last_at, []])
            entry[1] += count
            entry[2] = max(entry[2], last_at)
            entry[3].extend(examples)
        else:
            judged["allowed" if isinstance(decision, Allowed) else "unchanged"] += count
    moves = [
        RefusedMove(
            from_stage=key[0],
            to_stage=key[1],
            reason_code=key[2],
            source=key[3],
            code=key[4],
            sentence=entry[0],
            count=entry[1],
            last_at=entry[2],
            examples=tuple(entry[3][:EXAMPLES]),
        )
        for key, entry in refused.items()
    ]
    return sorted(moves, key=lambda move: (-move.count, move.from_stage, move.to_stage)), judged["all"]
