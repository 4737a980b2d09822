"""Loading the demo: tenants, people, and customers with two years of history, through the services that everyone uses.

Safe to repeat and to kill anywhere: each batch of customers is one transaction with all of their history, and a later
run adds what is not there yet. Nothing that is there is ever changed. The history is announced on Kafka like any
other: it is the truth about these customers, and a reader of the topic must be able to rebuild which stage they are in.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from random import Random
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import connection
from uuid_utils.compat import uuid7

from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.sentences import say_for_record
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import record_customers
from lifecycle.services.customers.statistics import LARGE_LOAD, refresh_statistics
from lifecycle.services.demo.past_mail import keep_past_mail
from lifecycle.services.demo.past_reports import PastReport, keep_past_reports
from lifecycle.services.demo.past_work import PastNote, PastTask, keep_past_work
from lifecycle.services.demo.past_writings import plan_past_mail, plan_past_work
from lifecycle.services.demo.scenarios import PASSWORD, STAFF, Login, Scenario
from lifecycle.services.demo.stories import SEED, Step, Story, external_id_of, tell_story
from lifecycle.services.demo.writings import WORKED_ON, write_about
from lifecycle.services.transitions.apply import Call, apply
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import SERVICE, USER, Actor, TenantRef, system_actor
from tenants.context import tenant_context
from tenants.homes import at_home
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, Role
from tenants.rules.configuration.document import parse_configuration
from tenants.services.accounts.people import create_tenant, create_user
from tenants.services.accounts.teams import set_team
from tenants.services.configuration.policies import live_policy
from tenants.services.configuration.versions import live_version
from tenants.services.directory import find_login, find_tenant

BATCH = 2500
AT_ONCE = 2
FRESH = dt.timedelta(days=1)
LOADER = system_actor("load_demo")
# Who places customers, and who moves them on the word of an event.
IMPORTER = system_actor("import_customers")
CONSUMER = system_actor("consume_events")


class DemoRefused(Exception):
    """The demo cannot be loaded here; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tenant's customers are."""

    slug: str
    done: int
    total: int


@dataclass(slots=True)
class Cast:
    """The people of a tenant as actors: managers by username, the admin, the service account."""

    managers: dict[str, Actor] = field(default_factory=dict)
    admin: Actor | None = None
    service: Actor | None = None


def prepare_tenant(scenario: Scenario, *, now: dt.datetime) -> tuple[TenantRef, Cast]:
    """The scenario's tenant with its configuration and people; what is there already is left as it is.

    Raises DemoRefused when the tenant's lifecycle is no longer the demo's: its customers could not be made.
    """
    tenant = find_tenant(scenario.slug) or create_tenant(slug=scenario.slug, name=scenario.name, actor=LOADER, now=now)
    with tenant_context(tenant.id):
        live = live_version(tenant)
        if live is None:
            publish_configuration(
                scenario.document, tenant=tenant, actor=LOADER, now=now, comment="The demo's configuration."
            )
    cast = Cast()
    for login in scenario.people:
        user = find_login(login.username) or _create_person(login, tenant, now=now)
        actor = _actor_of(user)
        if user.is_service_account:
            cast.service = actor
        elif user.role == Role.ACCOUNT_MANAGER:
            cast.managers[user.username] = actor
        elif user.role == Role.TENANT_ADMIN:
            cast.admin = actor
    return tenant, cast


def prepare_staff(*, now: dt.datetime) -> None:
    """The super admin, who belongs to no tenant."""
    for login in STAFF:
        if find_login(login.username) is None:
            create_user(
                username=login.username,
                password_hash=_hash_password(),
                role=login.role,
                tenant=None,
                now=now,
                full_name=login.full_name,
            )


def load_customers(
    scenario: Scenario, count: int, *, tenant: TenantRef, cast: Cast, now: dt.datetime
) -> Iterator[Progress]:
    """Add those of the first ``count`` customers that are missing, a batch a transaction; yields after each.

    Two batches are in the making at a time, so that one computes while the database writes the other. To stop early
    close the iterator: batches that have begun are finished. Call outside of any transaction. Raises DemoRefused when
    customers are missing and the tenant's lifecycle is no longer the demo's.
    """
    batches = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    waiting = iter(batches)
    done = 0

    def load(numbers: range) -> int:
        with at_home(tenant.id):
            try:
                _load_batch(scenario, numbers, tenant=tenant, cast=cast, now=now)
            finally:
                connection.close()
        return len(numbers)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="load-demo") as pool:
        running = {pool.submit(load, numbers) for numbers in islice(waiting, AT_ONCE)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(load, numbers) for numbers in islice(waiting, len(finished))}
            before, done = done, done + sum(future.result() for future in finished)
            if before < LARGE_LOAD <= done < count:
                # What was planned on empty tables would go through all customers of the tenant for each move of a few.
                # Every batch has a connection of its own, and so plans of its own.
                refresh_statistics()
            yield Progress(scenario.slug, done, count)


def _load_batch(scenario: Scenario, numbers: range, *, tenant: TenantRef, cast: Cast, now: dt.datetime) -> None:
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        missing = _find_missing(scenario, numbers, tenant)
        if missing:
            _refuse_other_lifecycle(scenario, tenant)
            owners = tuple(cast.managers)
            stories = [tell_story(scenario, number, owners=owners, now=now) for number in missing]
            ids = write_stories(stories, tenant=tenant, cast=cast, now=now)
            busy = [story for number, story in zip(missing, stories, strict=True) if number < WORKED_ON]
            write_about(scenario, busy, ids, tenant=tenant, managers=cast.managers, now=now)
            write_past(scenario, busy, ids, tenant=tenant, managers=cast.managers)
            # What was moved since starts its effects itself.
            mails = plan_past_mail(live_policy(tenant.id), busy, ids, until=now - FRESH)
            keep_past_mail(mails, tenant=tenant)


def write_past(
    scenario: Scenario,
    stories: Sequence[Story],
    ids: Mapping[str, UUID],
    *,
    tenant: TenantRef,
    managers: Mapping[str, Actor],
) -> None:
    """Write what was done about these customers when they were at risk before: statements for all of them at once.

    Call in the transaction that makes the customers.
    """
    notes: list[PastNote] = []
    tasks: list[PastTask] = []
    for story in stories:
        written, done = plan_past_work(scenario, story, ids[story.external_id], tenant=tenant, managers=managers)
        notes += written
        tasks += done
    keep_past_work(notes, tasks, tenant=tenant)


def count_customers(tenant: TenantRef) -> int:
    """How many customers the tenant has."""
    with tenant_context(tenant.id):
        return Customer.objects.for_tenant(tenant.id).count()


@cache
def _hash_password() -> str:
    """Once for all: it takes long on purpose, and they share the password."""
    return make_password(PASSWORD)


def _create_person(login: Login, tenant: TenantRef, *, now: dt.datetime) -> User:
    user = create_user(
        username=login.username,
        password_hash=_hash_password(),
        role=login.role,
        tenant=tenant,
        now=now,
        full_name=login.full_name,
        is_service_account=login.is_service_account,
        updates_per_hour=10_000 if login.is_service_account else None,
    )
    return set_team(user.id, login.team, tenant=tenant, actor=LOADER, now=now) if login.team else user


def _actor_of(user: User) -> Actor:
    kind = SERVICE if user.is_service_account else USER
    return Actor(kind=kind, name=str(user.id), permissions=ROLE_PERMISSIONS[Role(user.role)])


def _find_missing(scenario: Scenario, numbers: range, tenant: TenantRef) -> list[int]:
    wanted = {external_id_of(scenario, number): number for number in numbers}
    there = Customer.objects.for_tenant(tenant.id).filter(external_id__in=wanted).values_list("external_id", flat=True)
    for external_id in there:
        del wanted[external_id]
    return list(wanted.values())


def _refuse_other_lifecycle(scenario: Scenario, tenant: TenantRef) -> None:
    live = live_version(tenant)
    if live is None or live.document != parse_configuration(scenario.document).to_document():
        raise DemoRefused(
            f"The configuration of {scenario.slug} is no longer the demo's, so no customers can be added to it; "
            "those that are there stay."
        )


def write_stories(
    stories: Sequence[Story], *, tenant: TenantRef, cast: Cast, now: dt.datetime, starts_effects: bool = True
) -> dict[str, UUID]:
    """Record the customers, then their transitions in rounds: everyone's first, everyone's second, and so on.

    What was moved within the last day starts its effects, as it would have done then, unless none are to be started.
    The ids by external id. Call in a transaction in the tenant's context. Raises DemoRefused.
    """
    ids: dict[str, UUID] = {}
    for entry_point, actor in (("Import", IMPORTER), ("EventListener", CONSUMER)):
        facts = [fact for story in stories if story.placed.entry_point == entry_point for fact in story.facts]
        recorded = record_customers(
            facts, tenant=tenant, actor=actor, source=entry_point, now=now, create=True, backdated=True
        )
        for fact, result in zip(facts, recorded, strict=True):
            if result.customer_id is not None:
                ids[fact.external_id] = result.customer_id
    reports = [
        PastReport(ids[story.external_id], at, "/billing", figures)
        for story in stories
        for at, figures in story.contracts
    ]
    keep_past_reports(reports, tenant=tenant)
    for number in range(max((len(story.moves) for story in stories), default=0)):
        groups: dict[tuple[str, str, bool], list[Change]] = defaultdict(list)
        actors: dict[str, Actor] = {}
        for story in stories:
            if number < len(story.moves):
                step = story.moves[number]
                actor = _who(step, story, cast)
                actors[actor.name] = actor
                group = groups[step.entry_point, actor.name, starts_effects and now - step.at < FRESH]
                group.append(_as_change(step, ids[story.external_id]))
        for (entry_point, name, is_fresh), changes in groups.items():
            call = Call(tenant, actors[name], entry_point, now, uuid7() if is_fresh else None, starts_effects=is_fresh)
            _move(call, changes)
    return ids


def _move(call: Call, changes: Sequence[Change]) -> None:
    outcomes = apply(call, changes, backdated=True)
    for outcome in outcomes:
        if outcome.refused:
            raise DemoRefused(f"The demo has a move that the rules refuse: {say_for_record(outcome.refused.message)}")


def _as_change(step: Step, customer_id: UUID) -> Change:
    return Change(
        customer_id=customer_id,
        stage=step.stage,
        reason_code=step.reason_code,
        note=step.note,
        effective_at=step.at,
        event_id=step.event_id,
    )


def _who(step: Step, story: Story, cast: Cast) -> Actor:
    """The owner does most on the page; now and then a colleague stands in, or the admin."""
    if step.entry_point == "EventListener":
        return CONSUMER
    if step.entry_point == "API" and cast.service is not None:
        return cast.service
    dice = Random(f"{SEED}|{story.external_id}|{step.at.isoformat()}")  # noqa: S311  made-up data
    chance = dice.random()
    if chance < 0.04 and cast.admin is not None:
        return cast.admin
    if chance < 0.12:
        return dice.choice(list(cast.managers.values()))
    return cast.managers[story.owner]


def people_of(scenarios: Sequence[Scenario]) -> Mapping[str, str]:
    """Username -> role, of everyone the demo makes, for showing them to anyone who started it."""
    logins = [*(login for scenario in scenarios for login in scenario.people), *STAFF]
    return {login.username: str(Role(login.role).label) for login in logins}
