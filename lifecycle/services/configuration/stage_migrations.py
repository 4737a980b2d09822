"""The moves that a publication started: worked off in batches, by any worker, however often it is interrupted.

Each batch goes through ``apply`` in a transaction that also counts it, so a kill at any point loses nothing and the
next worker goes on. When the last customer has left, the stage is deleted; the database would refuse it earlier.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, IntegrityError, transaction
from django.db.models import F, OuterRef, Subquery, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from audit.models import LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration.started import SOURCE
from lifecycle.services.transitions.apply import Call, apply
from storage.cursors import plain_array, prepared_cursor
from storage.failures import is_transient
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.roles import PERMISSIONS
from tenants.rules.configuration.policy import Policy
from tenants.services import directory
from tenants.services.configuration import versions
from tenants.services.configuration.policies import hold_live_policy

BATCH = 1000
# Up to this many customers are moved at once with the publication; more are left to the worker.
AT_ONCE = 1000


# The stage that a publication took each customer out of, what version called it so, and since when they were there.
_FORMER_STAYS: Final = """
SELECT s.customer_id, taken.from_stage, taken.configuration_version, before.effective_at
  FROM unnest(%(customer_ids)s::uuid[]) AS i(customer_id)
  JOIN customer_lifecycle_status s ON s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = i.customer_id
  JOIN customer_lifecycle_history taken
    ON taken.tenant_id = s.tenant_id AND taken.customer_id = s.customer_id AND taken.sequence = s.version
  JOIN customer_lifecycle_history before
    ON before.tenant_id = s.tenant_id AND before.customer_id = s.customer_id AND before.sequence = s.version - 1
 WHERE taken.request_id = %(request_id)s::uuid
"""


class BatchFailed(Exception):
    """Moving these customers together failed; nothing of it was done. The cause says why."""

    def __init__(self, customer_ids: Sequence[UUID]) -> None:
        super().__init__(f"{len(customer_ids)} customers could not be moved.")
        self.customer_ids = customer_ids


def move_customers(
    tenant: TenantRef,
    *,
    now: dt.datetime | None = None,
    limit: int | None = None,
    size: int | None = None,
    skip: Collection[UUID] = (),
) -> Iterator[StageMigration]:
    """Work off the tenant's unfinished moves, a batch a transaction; yields the move after each batch.

    ``now``: when they are moved; without it each batch has its own time. For a large tenant this goes on for long, also
    with the moves of what is published in between: dated from before that, they would stay where it is taken back.
    ``skip``: customers to leave alone for now; their move is not finished then. Raises BatchFailed.

    May be interrupted anywhere and started anywhere else. ``limit`` ends it after that many customers. Call outside
    of any transaction. Two workers share the work without moving anyone twice: the job's row is locked.
    """
    done = 0
    # Moves of which only customers to be skipped are left.
    waiting: set[UUID] = set()
    while limit is None or done < limit:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            # Before the job: a publisher holds the configuration first, too, and then ends jobs.
            hold_live_policy(tenant.id)
            move = (
                StageMigration.objects.select_for_update()
                .filter(tenant_id=tenant.id, finished_at__isnull=True)
                # Returns come first: what is left in their stages afterwards goes by the mapping.
                .exclude(id__in=waiting)
                .order_by(F("undo_request_id").asc(nulls_last=True), "id")
                .first()
            )
            if move is None:
                remove_empty_stages(tenant)
                return
            count = _move_batch(move, tenant=tenant, now=now or timezone.now(), size=size or BATCH, skip=skip)
            if move.finished_at is not None:
                # At once: where no move is left no worker comes by, and an empty stage would hold its name.
                remove_empty_stages(tenant)
            if not count and move.finished_at is None:
                waiting.add(move.pk)
                continue
        done += count
        yield move


def move_after_commit(tenant: TenantRef, *, now: dt.datetime) -> None:
    """Move the first AT_ONCE customers as soon as the transaction that publishes has been committed.

    The caller waits for them, so that a small change is complete when they look; the worker does what is left, and
    everything if this fails.
    """
    transaction.on_commit(partial(_move_some, tenant, now=now), robust=True)


def _move_some(tenant: TenantRef, *, now: dt.datetime) -> None:
    for _ in move_customers(tenant, now=now, limit=AT_ONCE):
        pass


def find_tenants_with_moves() -> list[TenantRef]:
    """The tenants whose customers still have to be moved. Two statements, over the platform connection."""
    ids = set(
        StageMigration.objects.using(directory.PLATFORM)
        .filter(finished_at__isnull=True)
        .values_list("tenant_id", flat=True)
    )
    return [tenant for tenant in directory.list_tenants() if tenant.id in ids] if ids else []


def unfinished_moves(tenant: TenantRef) -> list[StageMigration]:
    """The moves that are still running, for those who should see it. One statement."""
    return list(StageMigration.objects.filter(tenant_id=tenant.id, finished_at__isnull=True).order_by("id"))


def supersede_moves(policy: Policy, *, renamed: Mapping[str, str], tenant: TenantRef, now: dt.datetime) -> None:
    """End the moves that ``policy``, just being published, makes pointless. Call with the tenant's row locked.

    Its own mapping says where the customers of every stage go that goes away, and a stage that comes back keeps them.
    Only returns go on, as long as their stage is there.
    """
    for move in StageMigration.objects.select_for_update().filter(tenant_id=tenant.id, finished_at__isnull=True):
        move.from_stage = renamed.get(move.from_stage, move.from_stage)
        move.to_stage = renamed.get(move.to_stage, move.to_stage)
        if move.undo_request_id is None or move.to_stage not in policy.definitions:
            move.finished_at = now
        move.save(update_fields=["from_stage", "to_stage", "finished_at"])


def customers_of(move: StageMigration) -> Any:
    """Status rows that the move still concerns."""
    rows = CustomerLifecycleStatus.objects.filter(tenant_id=move.tenant_id, stage=move.from_stage)
    if move.undo_request_id is None:
        return rows
    # Still at the very version that the publication gave them: no one has moved them since. Looked up row by row, by
    # the history's key, among those that changed since then: never by a walk over the history. The request is compared
    # as a text, because the index by request leads to all of its rows for each customer.
    last = (
        LifecycleHistory.objects.filter(
            tenant_id=move.tenant_id, customer_id=OuterRef("customer_id"), sequence=OuterRef("version")
        )
        .alias(request=Cast("request_id", TextField()))
        .filter(request=str(move.undo_request_id))
    )
    return (
        rows.filter(source=SOURCE, updated_at__gte=_published_at(move))
        .alias(taken_from=Subquery(last.values("from_stage")))
        .filter(taken_from=move.undo_from_stage)
    )


def find_former_stays(
    move: StageMigration, customer_ids: Collection[UUID], *, tenant: TenantRef
) -> dict[UUID, dt.datetime]:
    """Since when those who return had been in the stage that they come back to: their stay goes on as if they had never
    been taken out. Empty for a move that takes nothing back. Two statements for any number of customers.
    """
    if move.undo_request_id is None or not customer_ids:
        return {}
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(
            _FORMER_STAYS,
            {
                "tenant_id": move.tenant_id,
                "customer_ids": plain_array(customer_ids),
                "request_id": move.undo_request_id,
            },
        )
        rows = cursor.fetchall()
    renames = versions.present_names(tenant)
    return {
        customer_id: since
        for customer_id, stage, version, since in rows
        if versions.present_name(stage, version, renames) == move.to_stage
    }


def _published_at(move: StageMigration) -> dt.datetime:
    published = ConfigurationVersion.objects.values_list("published_at", flat=True).get(
        tenant_id=move.tenant_id, request_id=move.undo_request_id
    )
    # A margin for the clocks of application and database.
    return (published or move.created_at) - dt.timedelta(minutes=5)


def _move_batch(
    move: StageMigration, *, tenant: TenantRef, now: dt.datetime, size: int, skip: Collection[UUID] = ()
) -> int:
    """Move up to ``size`` customers and count them, in the caller's transaction. 0 when no one is left to move."""
    # In the order of the index by stage and change.
    rows = customers_of(move).order_by("-updated_at", "-customer_id")
    found = list(rows.values_list("customer_id", "version")[: size + len(skip)])
    chosen = dict([row for row in found if row[0] not in skip][:size])
    if not chosen and found:
        return 0
    try:
        count = _move_those(move, chosen, tenant=tenant, now=now, is_last=len(chosen) == len(found))
    except Exception as error:
        if is_transient(error):
            raise
        raise BatchFailed(list(chosen)) from error
    if not count and len(chosen) == size:
        # All of them were refused, and behind them there may be others.
        raise BatchFailed(list(chosen))
    return count


def _move_those(
    move: StageMigration, versions: Mapping[UUID, int], *, tenant: TenantRef, now: dt.datetime, is_last: bool
) -> int:
    actor = Actor(kind=move.actor_kind, name=move.actor, permissions=frozenset(PERMISSIONS))
    since = find_former_stays(move, versions, tenant=tenant)
    outcomes = apply(
        # Under the very configuration that was published with it: the next one ends the move.
        Call(tenant, actor, SOURCE, now, move.request_id, starts_effects=move.starts_effects),
        [
            Change(
                customer_id=id_,
                stage=move.to_stage,
                reason_code=move.reason_code or None,
                # Who has moved on since they were chosen is left where they are.
                expected_version=version,
                effective_at=since.get(id_),
                is_return=move.undo_request_id is not None,
            )
            for id_, version in versions.items()
        ],
    )
    moved = move.last_batch = sum(outcome.moved for outcome in outcomes)
    if not moved:
        # No one is left, but for those who were skipped.
        if is_last:
            move.finished_at = now
            move.save(update_fields=["finished_at"])
    else:
        move.moved = F("moved") + moved
        move.save(update_fields=["moved"])
        move.refresh_from_db(fields=["moved"])
    return moved


def remove_empty_stages(tenant: TenantRef) -> None:
    """Delete the leaving stages in which no one is any more. In the caller's transaction."""
    for stage in versions.leaving_stages(tenant):
        try:
            with transaction.atomic():
                versions.remove_stage(stage, tenant=tenant)
        except IntegrityError:
            # A customer is still there, or a transaction in flight has just put one: the worker comes back.
            continue


def request_of(version: ConfigurationVersion) -> UUID:
    """The request id that a published version's moves carry."""
    assert version.request_id is not None  # noqa: S101  publishing gives one
    return version.request_id
