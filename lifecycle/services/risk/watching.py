"""At-risk rules as customers live on: who has changed, or is due, is looked at; rules that fire propose or move.

A customer is looked at when a row of it has another version than at the last look, when another configuration is live,
or when time alone may let a rule fire. So nothing depends on an event being seen, and after a crash the next run goes
on. A rule fires at most once in an unbroken stretch, which the database's unique key holds too: what it has moved and
someone moves back stays where it is until the conditions have ceased to hold.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from lifecycle.models import RiskFiring, RiskState
from lifecycle.queries import risk as queries
from lifecycle.rules.precedence import FOR_GOOD
from lifecycle.rules.risk.alarms import Alarm, Past, Watch, stage_at
from lifecycle.rules.transitions import Change
from lifecycle.services.risk.past import RECORDED, PastReader, know_categories
from lifecycle.services.risk.times import as_micros, as_timestamp
from lifecycle.services.transitions.apply import Call, Outcome, apply
from storage.failures import describe, is_transient
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.policy import Policy
from tenants.rules.configuration.risk_rules import MOVE
from tenants.services.configuration.policies import NoConfiguration, live_policy

BATCH: Final = 500
SOURCE: Final = "Rule"
ACTOR: Final = system_actor("risk_rules")
OPEN, ACCEPTED, OVER, MOVED, REFUSED = "open", "accepted", "over", "moved", "refused"
# Clocks of the application and the database differ: what was recorded a moment ahead is known all the same.
_AHEAD: Final = 300_000_000
_FIRST: Final = UUID(int=0)
# A customer that cannot be judged is left alone for so long, or until it changes.
PUT_OFF: Final = dt.timedelta(minutes=10)
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('risk rules ' || %s, 0))"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Looked:
    """A customer that is to be looked at: the versions of its rows, and who changed its stage last and when."""

    customer_id: UUID
    stage: str
    status: int
    company: int
    billing: int
    support: int
    updated_by: str
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule fires for a customer now."""

    one: Looked
    watch: Watch
    alarm: Alarm


def watch_rules(
    tenant: TenantRef,
    *,
    enough: Callable[[], bool] = lambda: False,
    clock: Callable[[], dt.datetime] = timezone.now,
) -> int:
    """Look at the customers of a tenant that have changed or are due, a batch a transaction; how many there were.

    Call outside of any transaction.
    """
    after, total = _FIRST, 0
    while not enough():
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute(_TURN, [str(tenant.id)])
            looked = _watch_batch(tenant, after, now=clock())
        total += len(looked)
        if len(looked) < BATCH:
            break
        after = looked[-1].customer_id
    return total


def _watch_batch(tenant: TenantRef, after: UUID, *, now: dt.datetime) -> Sequence[Looked]:
    try:
        policy = live_policy(tenant.id)
    except NoConfiguration:
        return ()
    rules = [rule for rule in policy.configuration.risk_rules if rule.enabled]
    category_of = know_categories(policy, live=policy, tenant=tenant, renamed={}) if rules else policy.category
    watches = [Watch(rule, category_of) for rule in rules]
    if after == _FIRST:
        names = [watch.rule.name for watch in watches]
        open_ones = RiskFiring.objects.filter(tenant_id=tenant.id, state=OPEN)
        open_ones.exclude(rule__in=names).update(state=OVER, decided_at=now)
    if not watches:
        return ()
    looked = _find_behind(tenant, policy.version, after, now=now)
    if looked:
        _look_in_parts(looked, watches, policy, tenant=tenant, now=now)
    return looked


def _look_in_parts(
    looked: Sequence[Looked], watches: Sequence[Watch], policy: Policy, *, tenant: TenantRef, now: dt.datetime
) -> None:
    """Look at all of them; customers that cannot be judged are found by halving, and put off."""
    try:
        with transaction.atomic():
            _look(looked, watches, policy, tenant=tenant, now=now)
    except Exception as error:
        if is_transient(error):
            raise
        if len(looked) > 1:
            middle = len(looked) // 2
            for part in (looked[:middle], looked[middle:]):
                _look_in_parts(part, watches, policy, tenant=tenant, now=now)
            return
        (one,) = looked
        log.error("customer not judged", tenant=tenant.slug, customer=str(one.customer_id), error=describe(error))
        _note_looks(looked, {one.customer_id: now + PUT_OFF}, policy, tenant=tenant)


def _find_behind(tenant: TenantRef, version: int, after: UUID, *, now: dt.datetime) -> list[Looked]:
    with connection.cursor() as cursor:
        cursor.execute(
            queries.BEHIND, {"tenant_id": tenant.id, "version": version, "after": after, "now": now, "limit": BATCH}
        )
        return [Looked(*row) for row in cursor.fetchall()]


def _look(
    looked: Sequence[Looked], watches: Sequence[Watch], policy: Policy, *, tenant: TenantRef, now: dt.datetime
) -> None:
    """Judge a batch of customers, write what rules do, and note up to where they were looked at."""
    by_id = {one.customer_id: one for one in looked}
    rules = [watch.rule for watch in watches]
    # Whom they lost is not asked here.
    reader = PastReader(rules, category_of=policy.category, tenant=tenant, known=RECORDED)
    due: dict[UUID, dict[str, Fired]] = {}
    looks: dict[UUID, dt.datetime | None] = {}
    for customer_id, past, _churns in reader.read(list(by_id)):
        clock, later = _clock_of(past, as_micros(now))
        due[customer_id] = dict(_find_due(by_id[customer_id], watches, past, clock))
        timestamps = [at for watch in watches if (at := watch.next_look(past, clock)) is not None]
        if later is not None:
            timestamps.append(later)
        # A condition like "ten million days" holds at no moment that there is.
        looks[customer_id] = as_timestamp(first) if (first := min(timestamps, default=FOR_GOOD)) < FOR_GOOD else None
    known = _settle_open(by_id, due, policy, tenant=tenant, now=now)
    fresh = [
        fired
        for customer_id, of_customer in due.items()
        for name, fired in of_customer.items()
        if (customer_id, name, fired.alarm.since) not in known
    ]
    again = _act(fresh, policy, tenant=tenant, now=now)
    _note_looks([one for one in looked if one.customer_id not in again], looks, policy, tenant=tenant)


def _note_looks(
    looked: Sequence[Looked], due: Mapping[UUID, dt.datetime | None], policy: Policy, *, tenant: TenantRef
) -> None:
    states = [
        RiskState(
            tenant_id=tenant.id,
            customer_id=one.customer_id,
            configuration_version=policy.version,
            status=one.status,
            company=one.company,
            billing=one.billing,
            support=one.support,
            due_at=due[one.customer_id],
        )
        for one in looked
    ]
    RiskState.objects.bulk_create(
        states,
        update_conflicts=True,
        unique_fields=["tenant_id", "customer_id"],
        update_fields=["configuration_version", "status", "company", "billing", "support", "due_at"],
    )


def _clock_of(past: Past, now: int) -> tuple[int, int | None]:
    """Up to when to look, and when something that is known already begins to hold."""
    latest = max(
        [stay.since for stay in past.stays[-1:]] + [rows[-1][0] for rows in past.changes.values() if rows], default=now
    )
    clock = max(now, min(latest, now + _AHEAD))
    return clock, latest if latest > clock else None


def _find_due(one: Looked, watches: Sequence[Watch], past: Past, clock: int) -> Iterable[tuple[str, Fired]]:
    stage = stage_at(past.stays, clock)
    for watch in watches:
        alarms = watch.alarms(past, clock)
        if alarms and alarms[-1].until > clock and stage is not None and watch.looks_at(stage):
            yield watch.rule.name, Fired(one, watch, alarms[-1])


def _settle_open(
    by_id: Mapping[UUID, Looked],
    due: Mapping[UUID, Mapping[str, Fired]],
    policy: Policy,
    *,
    tenant: TenantRef,
    now: dt.datetime,
) -> set[tuple[UUID, str, int]]:
    """End the proposals that hold no more, and bring the others up to the stages and the configuration of now.

    Whatever has fired for these customers, by rule and stretch.
    """
    known: set[tuple[UUID, str, int]] = set()
    ended: dict[tuple[str, str, dt.datetime], list[UUID]] = defaultdict(list)
    firings = RiskFiring.objects.filter(tenant_id=tenant.id, customer_id__in=list(by_id)).order_by("id")
    for firing in firings:
        since = as_micros(firing.since)
        known.add((firing.customer_id, firing.rule, since))
        if firing.state != OPEN:
            continue
        one, fired = by_id[firing.customer_id], due[firing.customer_id].get(firing.rule)
        if one.stage == firing.to_stage:
            ended[ACCEPTED, one.updated_by, one.updated_at].append(firing.id)
        elif fired is None or fired.alarm.since != since:
            ended[OVER, "", now].append(firing.id)
        elif (firing.from_stage, firing.configuration_version) != (one.stage, policy.version):
            firing.from_stage, firing.configuration_version = one.stage, policy.version
            firing.to_stage, firing.reason_code = fired.watch.rule.to, fired.watch.rule.reason_code or ""
            firing.save(update_fields=["from_stage", "to_stage", "reason_code", "configuration_version"])
    for (state, who, when), ids in ended.items():
        rows = RiskFiring.objects.filter(tenant_id=tenant.id, id__in=ids, state=OPEN)
        rows.update(state=state, decided_by=who, decided_at=when)
    return known


def _act(fresh: Sequence[Fired], policy: Policy, *, tenant: TenantRef, now: dt.datetime) -> set[UUID]:
    """Propose and move; the customers that are to be looked at again: those that someone moved in between, and those
    whose other rules have not had their turn.
    """
    moves: dict[UUID, Fired] = {}
    for fired in fresh:
        if fired.watch.rule.action == MOVE:
            # One move a look: the others are looked at again, in the stage that it leads to, or where it was refused.
            moves.setdefault(fired.one.customer_id, fired)
    outcomes = _move(list(moves.values()), policy, tenant=tenant, now=now)
    conflicts = {
        customer_id
        for customer_id, outcome in outcomes.items()
        if outcome.refused is not None and outcome.refused.code in ("version_conflict", "effects_unconfirmed")
    }
    firings, again = [], set(conflicts)
    for fired in fresh:
        customer_id = fired.one.customer_id
        if customer_id in conflicts:
            continue
        state = OPEN
        if fired.watch.rule.action == MOVE:
            if moves[customer_id] is not fired:
                # Nothing else may ever bring back a customer whose first rule could not move it.
                again.add(customer_id)
                continue
            state = MOVED if outcomes[customer_id].moved else REFUSED
        firings.append(_record(fired, state, policy, tenant=tenant, now=now))
    RiskFiring.objects.bulk_create(firings, ignore_conflicts=True)
    return again


def _move(moves: Sequence[Fired], policy: Policy, *, tenant: TenantRef, now: dt.datetime) -> dict[UUID, Outcome]:
    if not moves:
        return {}
    changes = [
        Change(
            customer_id=fired.one.customer_id,
            stage=fired.watch.rule.to,
            reason_code=fired.watch.rule.reason_code,
            note=_("At-risk rule “%(name)s”") % {"name": fired.watch.rule.name},
            expected_version=fired.one.status,
            expected_configuration=policy.version,
        )
        for fired in moves
    ]
    outcomes = apply(Call(tenant, ACTOR, SOURCE, now, starts_effects=True), changes)
    return {outcome.change.customer_id: outcome for outcome in outcomes}


def _record(fired: Fired, state: str, policy: Policy, *, tenant: TenantRef, now: dt.datetime) -> RiskFiring:
    rule = fired.watch.rule
    return RiskFiring(
        tenant_id=tenant.id,
        customer_id=fired.one.customer_id,
        rule=rule.name,
        configuration_version=policy.version,
        from_stage=fired.one.stage,
        to_stage=rule.to,
        reason_code=rule.reason_code or "",
        since=as_timestamp(fired.alarm.since),
        fired_at=as_timestamp(fired.alarm.at),
        created_at=now,
        state=state,
        decided_by="" if state == OPEN else ACTOR.name,
        decided_at=None if state == OPEN else now,
    )
