"""What rules would have done: those of a draft, or others, played over a tenant's own past, a batch at a time."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit.services.administration import record_administration
from lifecycle.models import RulePlay
from lifecycle.queries import risk as queries
from lifecycle.rules.risk.alarms import Watch
from lifecycle.rules.risk.judging import Period, Tally, judge_customer
from lifecycle.services.risk.past import EFFECTIVE, RECORDED, PastReader, know_categories
from lifecycle.services.risk.times import as_micros
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import Configuration, parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.services.configuration.policies import live_policy
from tenants.services.configuration.versions import hold_draft
from tenants.services.unfinished import find_tenants_with_unfinished, work_off_unfinished

BATCH: Final = 500
# How far back rules are played.
PLAYED_DAYS: Final = 730
# With less of a record of its own, a tenant is shown its past as it was, and not as it was known here.
SHORT_RECORD_DAYS: Final = 90
# A result that is older than this goes when another play begins.
KEPT: Final = dt.timedelta(days=30)
_FIRST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Played:
    """How far a play has come, and what was counted so far."""

    done: int
    total: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom rules are played over: how many customers, and of how many account managers."""

    customers: int
    managers: int


def count_scope(tenant: TenantRef) -> Scope:
    """Call inside the tenant's context. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(queries.COUNT, {"tenant_id": tenant.id})
        return Scope(*cursor.fetchone())


def choose_known(tenant: TenantRef, *, now: dt.datetime) -> str:
    """Whether to play what was known here, or, while the record is short, what was. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            queries.HAS_RECORD, {"tenant_id": tenant.id, "before": now - dt.timedelta(days=SHORT_RECORD_DAYS)}
        )
        ((has_record,),) = cursor.fetchall()
    return RECORDED if has_record else EFFECTIVE


def play_rules(
    configuration: Configuration,
    *,
    tenant: TenantRef,
    since: dt.datetime,
    until: dt.datetime,
    known: str,
    renamed: Mapping[str, str] | None = None,
) -> Iterator[Played]:
    """Test the rules of a configuration over all customers; yields after each batch, each a transaction of its own.

    Nothing is written. Call outside of any transaction.
    """
    with tenant_context(tenant.id):
        total = count_scope(tenant).customers
    tally, after, done = Tally.of(len(configuration.risk_rules)), _FIRST, 0
    yield Played(0, total, tally)
    player = _Player(configuration, tenant=tenant, period=_period(since, until), known=known, renamed=renamed or {})
    while True:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            ids = player.play(tally, after)
        if not ids:
            return
        after, done = ids[-1], done + len(ids)
        yield Played(done, max(done, total), tally)


class _Player:
    """Plays batches of customers; what it has learned of names and values serves the next one."""

    def __init__(
        self, configuration: Configuration, *, tenant: TenantRef, period: Period, known: str, renamed: Mapping[str, str]
    ) -> None:
        self._rules = configuration.risk_rules
        self._policy = compile_policy(configuration, version=0)
        self._tenant, self._period, self._known, self._renamed = tenant, period, known, renamed
        self._made: tuple[PastReader, list[Watch]] | None = None

    def play(self, tally: Tally, after: UUID) -> list[UUID]:
        """Count the next batch of customers in; whom it was. Four statements. Call inside the tenant's context."""
        with connection.cursor() as cursor:
            cursor.execute(queries.CUSTOMERS, {"tenant_id": self._tenant.id, "after": after, "limit": BATCH})
            ids = [customer_id for (customer_id,) in cursor.fetchall()]
        if not ids:
            return ids
        if self._made is None:
            self._made = self._make()
        reader, watches = self._made
        for _customer_id, past, churns in reader.read(ids):
            judge_customer(watches, past, churns, self._period, tally)
        return ids

    def _make(self) -> tuple[PastReader, list[Watch]]:
        live = live_policy(self._tenant.id)
        category_of = know_categories(self._policy, live=live, tenant=self._tenant, renamed=self._renamed)
        reader = PastReader(
            self._rules, category_of=category_of, tenant=self._tenant, known=self._known, renamed=self._renamed
        )
        return reader, [Watch(rule, category_of) for rule in self._rules]


def _period(since: dt.datetime, until: dt.datetime) -> Period:
    return Period(as_micros(since), as_micros(until))


def begin_play(
    draft: ConfigurationVersion, *, tenant: TenantRef, actor: Actor, now: dt.datetime, known: str = ""
) -> RulePlay:
    """Ask for a play of a draft's rules; an earlier one of the same draft is replaced. Call in the tenant's context.

    ``known``: RECORDED or EFFECTIVE; without it what fits the tenant's record. Of two who ask at once the second waits,
    and its play is the one that stays. Raises InvalidConfiguration for a draft with errors, NoSuchVersion for one that
    is gone.
    """
    with transaction.atomic():
        draft = hold_draft(draft.id, tenant=tenant)
        configuration = parse_configuration(draft.document)
        scope = count_scope(tenant)
        chosen = known or choose_known(tenant, now=now)
        RulePlay.objects.filter(tenant_id=tenant.id, draft_id=draft.id).delete()
        RulePlay.objects.filter(tenant_id=tenant.id, created_at__lt=now - KEPT).delete()
        record_administration(
            "play_rules",
            draft.id,
            tenant_id=tenant.id,
            actor=actor,
            detail={"revision": draft.revision, "known": chosen, "customers": scope.customers},
            now=now,
        )
        return _create(configuration, draft, scope, known=chosen, tenant=tenant, actor=actor, now=now)


def _create(
    configuration: Configuration,
    draft: ConfigurationVersion,
    scope: Scope,
    *,
    known: str,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> RulePlay:
    return RulePlay.objects.create(
        tenant_id=tenant.id,
        draft_id=draft.id,
        revision=draft.revision,
        document=configuration.to_document(),
        renamed=draft.renamed,
        known=known,
        since=now - dt.timedelta(days=PLAYED_DAYS),
        until=now,
        managers=scope.managers,
        total=scope.customers,
        tally=Tally.of(len(configuration.risk_rules)).to_json(),
        requested_by=actor.name,
        created_at=now,
    )


def find_play(draft_id: UUID, *, tenant: TenantRef) -> RulePlay | None:
    """The play of a draft that was asked for last; None if none was. One statement."""
    return RulePlay.objects.filter(tenant_id=tenant.id, draft_id=draft_id).first()


def find_tenants_with_plays() -> list[TenantRef]:
    """The tenants that have something to play, over the platform connection. One statement."""
    return find_tenants_with_unfinished(RulePlay)


def work_off_plays(tenant: TenantRef, *, now: dt.datetime | None = None) -> Iterator[RulePlay]:
    """Work off the tenant's plays, a batch a transaction; yields the job after each. Call outside of any transaction.

    Two workers share the work.
    """
    players: dict[UUID, _Player] = {}

    def play_batch(play: RulePlay) -> None:
        if play.id not in players:
            players[play.id] = _Player(
                parse_configuration(play.document),
                tenant=tenant,
                period=_period(play.since, play.until),
                known=play.known,
                renamed=play.renamed,
            )
        _play_batch(play, players[play.id], now=now or timezone.now())

    return work_off_unfinished(RulePlay, play_batch, tenant=tenant)


def _play_batch(play: RulePlay, player: _Player, *, now: dt.datetime) -> None:
    tally = Tally.from_json(play.tally)
    ids = player.play(tally, play.after or _FIRST)
    if ids:
        play.after = ids[-1]
        play.done += len(ids)
        play.total = max(play.total, play.done)
    if len(ids) < BATCH:
        play.finished_at = now
    play.tally = tally.to_json()
    play.save(update_fields=["after", "done", "total", "finished_at", "tally"])


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule did, as it is shown. ``leads``: first quartile, median and third quartile in days; None: nothing
    was caught. ``false_a_week``: false alarms of one account manager in a week.
    """

    name: str
    enabled: bool
    alarms: int
    caught: int
    churns: int
    leads: tuple[int | None, int | None, int | None]
    value: Mapping[str, Any]
    false: int
    undecided: int
    false_a_week: float
    added: int
    due: int


def describe_results(
    configuration: Configuration, tally: Tally, *, since: dt.datetime, until: dt.datetime, managers: int
) -> list[RuleResult]:
    """The results of all rules, in the order of the configuration."""
    first = as_micros(since) if tally.since is None else tally.since
    weeks = max((as_micros(until) - first) / (7 * 86_400_000_000), 1.0)
    return [
        RuleResult(
            name=rule.name,
            enabled=rule.enabled,
            alarms=one.alarms,
            caught=one.caught,
            churns=tally.churns,
            leads=(one.lead_at(0.25), one.lead_at(0.5), one.lead_at(0.75)),
            value=dict(sorted(one.value.items())),
            false=one.false,
            undecided=one.undecided,
            false_a_week=one.false / (max(managers, 1) * weeks),
            added=one.added,
            due=one.due,
        )
        for rule, one in zip(configuration.risk_rules, tally.rules, strict=True)
    ]
