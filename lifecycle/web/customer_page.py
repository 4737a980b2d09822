"""Everything that a customer's page shows, gathered from the services."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.http import Http404
from django.utils import timezone

from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.summaries import read_lifecycle, read_summary
from lifecycle.services.transitions.history import HistoryPage
from lifecycle.services.work.encryption import LateKeys
from lifecycle.services.work.timeline import TimelinePage
from lifecycle.web import record, timeline, work
from lifecycle.web.forecast_page import show_chance
from lifecycle.web.live import Ticket, stream_url
from lifecycle.web.people import say_you
from lifecycle.web.proposals import show_proposals
from lifecycle.web.record import name_parts, show_freshness
from lifecycle.web.stage_colors import stage_colors
from lifecycle.web.timeline import KIND_LABELS, read_entries, show_entries
from lifecycle.web.work import gather_work
from tenants.pages import TenantRequest
from tenants.permissions import describe_denial
from tenants.roles import REVEAL_CONTACTS, UPDATE_LIFECYCLE, VIEW_HISTORY
from tenants.services.accounts.members import name_members_and_accounts
from tenants.services.configuration.policies import policy_of_version

# The circumference of the gauge's arc (r = 40).
GAUGE_LENGTH = 251.33
BAR_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Stay:
    """How long the customer has been in its stage beside what is expected, as widths of a bar of 100."""

    expected: int | None
    width: float
    over: float


def gather_customer(request: TenantRequest, customer_id: UUID, *, with_work: bool = False) -> dict[str, Any]:
    """The context of the customer's page. Raises Http404 when the tenant has no such customer.

    A number of statements that depends on neither the customer nor the length of its history. ``with_work``: also what
    is below what stays up to date, for those who may see history.
    """
    tenant, identity = request.tenant, request.identity
    may_update = identity.may(UPDATE_LIFECYCLE)
    denial = "" if may_update else describe_denial(identity, UPDATE_LIFECYCLE)
    lifecycle = read_lifecycle(customer_id, tenant=tenant, may_update=may_update, denial=denial, source="UI")
    now = timezone.now()
    # Right after a move the copies in Redis are older than it: they are refreshed when it is committed.
    since = lifecycle["version"] if lifecycle else 0
    summary = read_summary(customer_id, tenant=tenant, now=now, since=since)
    profile = read_profile(customer_id, tenant=tenant, now=now)
    if lifecycle is None or summary is None or profile is None:
        raise Http404
    policy = policy_of_version(tenant.id, lifecycle["configuration_version"])
    changed = (lifecycle["updated_by"], lifecycle["updated_at"])
    keys = LateKeys(tenant.id, customer_id)
    entries, works = TimelinePage(), None
    stages: HistoryPage | None = None
    if identity.may(VIEW_HISTORY):
        stages = timeline.read_stages(customer_id, tenant=tenant, keys=keys, live=policy.version)
        entries = read_entries(
            customer_id, tenant=tenant, viewer=identity, keys=keys, live=policy.version, stages=stages
        )
        works = gather_work(customer_id, tenant=tenant, viewer=identity, keys=keys) if with_work else None
    # Everybody on the page is named by one statement.
    asked = {changed} | record.people_of(profile) | timeline.people_of(entries)
    asked |= work.people_of(works, now) if works is not None else set()
    owners = record.owners_of(profile) | timeline.owners_of(entries)
    members, owner_names = name_members_and_accounts(asked, owners, tenant=tenant)
    names = say_you(members, identity)
    return {
        "customer_id": customer_id,
        "profile": profile,
        "company": profile["company"],
        "owner_names": owner_names,
        "lifecycle": lifecycle,
        "summary": summary,
        "stamp": stamp_of(summary, profile),
        "who": names[changed],
        "history": show_entries(entries, names, owner_names, identity, currency=profile["billing"]["currency"] or "")
        if identity.may(VIEW_HISTORY)
        else None,
        "work": None if works is None else work.name_work(works, members, now, tenant=tenant, viewer=identity),
        "kinds": KIND_LABELS.items(),
        "may_update": may_update,
        "may_reveal": identity.may(REVEAL_CONTACTS),
        "denial": denial,
        "stage_colors": stage_colors(policy),
        "visited": stages.visited - {lifecycle["stage"]} if stages is not None else frozenset(),
        "record": record.name_fields(profile, names, owner_names),
        "freshness": show_freshness(profile, now),
        "health_parts": name_parts(summary["health"]["parts"]),
        **show_proposals(policy, tenant=tenant, customer_id=customer_id),
        "forecast": show_chance(customer_id, lifecycle["version"], tenant=tenant),
        "guidance": policy.guidance(lifecycle["stage"]),
        "stay": measure_stay(summary["days_in_stage"], summary["expected_days"]),
        "gauge": GAUGE_LENGTH * (summary["health"]["score"] or 0) / 100,
        "gauge_length": GAUGE_LENGTH,
        "stream": stream_url(request, Ticket(tenant.id, str(identity.user_id), customer_id)),
    }


def stamp_of(summary: Any, profile: Any) -> str:
    """A short name for what the page shows of the customer's figures, company and contacts: another if any is."""
    shown = orjson.dumps([summary, profile], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(shown, digest_size=8).hexdigest()


def measure_stay(days: int, expected: int | None) -> Stay:
    """The bar of a stay: the expected part, and beyond it what is over."""
    if not expected:
        return Stay(None, 0, 0)
    whole = max(days, expected)
    return Stay(expected, BAR_WIDTH * min(days, expected) / whole, BAR_WIDTH * max(0, days - expected) / whole)
