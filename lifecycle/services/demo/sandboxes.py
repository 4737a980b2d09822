"""Emptying a sandbox and telling its story again: in one transaction, so anyone sees the old one or the new one, whole.

Killed anywhere, the old one is still there and the next run begins again. What lets in and out is kept: people, keys,
identity providers, webhook endpoints, preferences. What the record says of the emptied history is that it was emptied
(``audit.models.Departure``); seals stay, and the next one carries the digest of the last.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from django.db import connection

from audit.services.administration import record_administration
from lifecycle.services.cache import copies
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.demo.loading import Cast, write_past, write_stories
from lifecycle.services.demo.scenarios import ACME
from lifecycle.services.demo.stories import tell_story
from lifecycle.services.demo.writings import write_about
from lifecycle.services.events.inbox import EVENTS_TURN
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import Tenant, User
from tenants.roles import Role
from tenants.services.configuration.policies import TAKE_PUBLICATION

CUSTOMERS: Final = 300
ACTION: Final = "reset_sandbox"
LOADER: Final = system_actor("reset_sandboxes")
STORY: Final = replace(ACME, slug="sandbox", prefix="SB", first_company=240_000, people=())
# The owner of all customers where no one in the tenant manages accounts.
NO_ONE: Final = "casey.hill@sandbox.example"

# What the application deletes itself. A table of tenants is here, in ``empty_sandbox`` or in KEPT (a test holds it).
EMPTIED: Final = (
    "lifecycle_noteversion",
    "lifecycle_note",
    "lifecycle_task",
    "lifecycle_contact",
    "lifecycle_figurechange",
    "lifecycle_effect",
    "lifecycle_effecttally",
    "lifecycle_notification",
    "lifecycle_bulkchangeitem",
    "lifecycle_bulkchange",
    "lifecycle_importpart",
    "lifecycle_importupload",
    "lifecycle_undo",
    "lifecycle_snooze",
    "lifecycle_homevisit",
    "lifecycle_saved_view",
    "lifecycle_stay",
    "lifecycle_insight_fact",
    "lifecycle_segment_fact",
    "lifecycle_owner_fact",
    "lifecycle_counted_owner",
    "lifecycle_insight_state",
    "lifecycle_forecast",
    "lifecycle_forecast_fit",
    "lifecycle_health_play",
    "lifecycle_rule_play",
    "lifecycle_risk_episode",
    "lifecycle_risk_firing",
    "lifecycle_risk_state",
    "lifecycle_parkedevent",
    "lifecycle_deadletter",
    "lifecycle_idempotentrequest",
    "audit_data_key",
)
# What the database does as the owner of the rows, and for sandboxes alone.
EMPTIED_BY_OWNER: Final = (
    "customer_lifecycle_history",
    "customer_lifecycle_status",
    "lifecycle_billingfigures",
    "lifecycle_supportfigures",
    "lifecycle_customer",
    "lifecycle_stagemigration",
    "lifecycle_inboxevent",
    "audit_refused_attempt",
    "audit_sealed_row",
)
KEPT: Final = MappingProxyType(
    {
        "audit_administration": "who did what; but for what the story itself had written",
        "audit_departure": "that the history was emptied, and up to which seal",
        "audit_feed": "its last place, so that the numbers go on",
        "audit_feed_state": "how far the feed was looked through",
        "audit_former_name": "what people were called; what customers were called goes",
        "audit_outbox": "what is published; what announces the emptied history and is not published goes",
        "audit_seal": "the next seal carries the digest of the last",
        "auth_group": "who may do what",
        "lifecycle_calendarfeed": "an address that someone has subscribed to",
        "lifecycle_effectlane": "how each endpoint is doing",
        "lifecycle_effectpause": "what an admin has paused stays paused",
        "lifecycle_notificationpreference": "of people",
        "lifecycle_stalecopies": "the relay takes them",
        "lifecycle_webhookendpoint": "where webhooks go",
        "lifecycle_webhooksecret": "what they are signed with",
        "tenants_apikey": "what programs are known by",
        "tenants_configurationversion": "those that were published, which the next one follows; drafts go",
        "tenants_home": "where the tenant lives",
        "tenants_stage": "the next configuration makes them its own",
        "tenants_tokenissuer": "how people sign in",
        "tenants_user": "people",
        "tenants_user_groups": "who may do what",
    }
)

# Alone of all: what events write until then is seen and goes, and those that come wait for the end.
_AWAIT_EVENTS: Final = f"SELECT pg_advisory_xact_lock({EVENTS_TURN})"
_TAKE_TURNS: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('insight ' || %(tenant_id)s::text, 0)),
       pg_advisory_xact_lock(hashtextextended('risk rules ' || %(tenant_id)s::text, 0))
"""
_TRY_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('sandbox:' || %(tenant_id)s::text, 0))"
# Those who work these off hold the row first and then what it is about; so does the reset. Not the rows of stage
# migrations: who works those off holds the configuration before them.
_WORKED_OFF: Final = ("lifecycle_deadletter", "lifecycle_parkedevent", "lifecycle_bulkchange", "lifecycle_undo")
# In id order and before the configuration is held, as everyone who writes.
_LOCK: Final = "SELECT FROM lifecycle_customer WHERE tenant_id = %(tenant_id)s::uuid ORDER BY id FOR UPDATE"
_PARTS: Final = (
    "DELETE FROM audit_former_name f WHERE tenant_id = %(tenant_id)s::uuid"
    " AND NOT EXISTS (SELECT FROM tenants_user u WHERE u.tenant_id = f.tenant_id AND u.id = f.subject_id)",
    "DELETE FROM audit_outbox WHERE tenant_id = %(tenant_id)s::uuid AND published_at IS NULL"
    " AND dead_letter_id IS NOT NULL",
    "DELETE FROM tenants_configurationversion WHERE tenant_id = %(tenant_id)s::uuid AND published_at IS NULL",
)
# The clock of the last statement: what was sent until then was sent to the story before, and ``now`` is older by
# everything that was waited for.
_EMPTIED: Final = "UPDATE tenants_tenant SET emptied_at = clock_timestamp() WHERE id = %(tenant_id)s::uuid"


class NotASandbox(Exception):
    """The tenant is none, so nothing of it may be deleted."""


@dataclass(frozen=True, slots=True)
class Reset:
    """What left and what came."""

    customers_before: int
    history_rows_before: int
    customers: int


def reset_sandbox(tenant: TenantRef, *, now: dt.datetime, since: dt.datetime | None = None) -> Reset | None:
    """Empty the sandbox and tell its story up to ``now``. Call outside of any transaction. Raises NotASandbox.

    None when another run is doing that at this moment, or has done it ``since``. Writers of the tenant wait for the
    end, a few seconds; what they wanted to change is not there any more then.
    """
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        if not _ask(_TRY_TURN, tenant):
            return None
        sandbox = Tenant.objects.get(id=tenant.id)
        if not sandbox.is_sandbox:
            raise NotASandbox(tenant.slug)
        if since is not None and sandbox.emptied_at is not None and sandbox.emptied_at >= since:
            return None
        customers, rows = _empty(tenant)
        made = _tell_again(tenant, now=now)
        record_administration(
            ACTION,
            tenant.slug,
            tenant_id=tenant.id,
            actor=LOADER,
            detail={"customers_before": customers, "history_rows_before": rows, "customers": made},
            now=now,
        )
        with connection.cursor() as cursor:
            cursor.execute(_EMPTIED, {"tenant_id": tenant.id})
    return Reset(customers, rows, made)


def _empty(tenant: TenantRef) -> tuple[int, int]:
    """Delete everything that is not KEPT; how many customers there were, and how many rows of history."""
    with connection.cursor() as cursor:
        given = {"tenant_id": tenant.id}
        # First what others may hold for minutes: consumers that wait for their turn hold rows of other tenants.
        cursor.execute(_TAKE_TURNS, given)
        cursor.execute(_AWAIT_EVENTS, given)
        for table in _WORKED_OFF:
            cursor.execute(
                f"SELECT FROM {table} WHERE tenant_id = %(tenant_id)s::uuid ORDER BY id FOR UPDATE",
                given,
            )
        cursor.execute(_LOCK, given)
        customers = cursor.rowcount
        cursor.execute(TAKE_PUBLICATION, given)
        copies.forget_customers(tenant.id)
        for table in EMPTIED:
            cursor.execute(f"DELETE FROM {table} WHERE tenant_id = %(tenant_id)s::uuid", given)  # noqa: S608  constants
        cursor.execute("SELECT empty_sandbox()")
        for part in _PARTS:
            cursor.execute(part, given)
        cursor.execute("SELECT empty_sandbox_record()")
        (rows,) = cursor.fetchone()
    return customers, int(rows)


def _tell_again(tenant: TenantRef, *, now: dt.datetime) -> int:
    """The story's configuration as the next version, and its customers; how many. Nothing is started by them.

    Each time another version, also of the same text: by it every copy of a status is known to be of the story before.
    """
    publish_configuration(STORY.document, tenant=tenant, actor=LOADER, now=now, comment="The sandbox's story.")
    people = list(_find_owners(tenant))
    owners = tuple(people) or (NO_ONE,)
    stories = [tell_story(STORY, number, owners=owners, now=now) for number in range(CUSTOMERS)]
    # What is made up is no one's doing: the history names the command.
    cast = Cast(managers=dict.fromkeys(owners, LOADER))
    ids = write_stories(stories, tenant=tenant, cast=cast, now=now, starts_effects=False)
    if people:
        write_about(STORY, stories, ids, tenant=tenant, managers=cast.managers, now=now)
        write_past(STORY, stories, ids, tenant=tenant, managers=cast.managers)
    return len(ids)


def _find_owners(tenant: TenantRef) -> Iterable[str]:
    people = User.objects.filter(
        tenant_id=tenant.id, role=Role.ACCOUNT_MANAGER, is_active=True, is_service_account=False
    )
    return people.order_by("username").values_list("username", flat=True)


def _ask(query: str, tenant: TenantRef) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(query, {"tenant_id": tenant.id})
        return bool(cursor.fetchone()[0])
