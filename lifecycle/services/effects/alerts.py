"""Alerts on delivery: everything is looked at again, for the person may have lost the right, or the matter be settled.

An alert may escalate: a row for each later step is planned with it, and reaches people only if by then no one has
acknowledged the alert and the customer still is where the change brought it.
"""

import datetime as dt
from collections.abc import Collection
from typing import Final

from lifecycle.models import Customer, CustomerLifecycleStatus, EffectRun, Notification
from lifecycle.services.effects.facts import ERASED, Facts, NothingToDeliver, find_user, gather_facts
from lifecycle.services.effects.kinds import ESCALATION, name_of_user
from lifecycle.services.effects.notifications import notify
from lifecycle.services.effects.preferences import OFF, read_preference
from lifecycle.services.effects.queue import Job
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, VIEW_LIFECYCLE, Role
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.effect_kinds import USER_PREFIX
from tenants.rules.effect_texts import Rendered, render

_ROLES: Final = {"managers": Role.ACCOUNT_MANAGER, "admins": Role.TENANT_ADMIN}
_OWNER: Final = "owner"


def raise_alert(job: Job, *, now: dt.datetime) -> None:
    """Show the person what the job is about, or file it for their digest. Raises NothingToDeliver.

    Call in the tenant's context. A bounded number of statements.
    """
    user = find_user(job)
    facts = gather_facts(job)
    _check_rights(job, user, _named(facts.effect, job.kind))
    if job.kind == ESCALATION:
        _check_open(job)
    preference = read_preference(user.id, tenant=job.tenant)
    if preference.alerts == OFF:
        raise NothingToDeliver("preference_off")
    text = _say(job, facts, user)
    is_escalated = job.kind == ESCALATION
    notify(job, user_id=user.id, preference=preference, text=text, is_escalated=is_escalated, now=now)


def _say(job: Job, facts: Facts, user: User) -> Rendered:
    """The effect's own texts; empty where it has none, for then the page says what has happened."""
    effect = facts.effect
    if not effect.subject and not effect.body:
        return Rendered("", "")
    # Locked, so that an erasure at the same time either comes first, and is seen, or finds the notification.
    mine = Customer.objects.filter(tenant_id=job.tenant.id, id=job.customer_id, erased_at=None)
    if not mine.select_for_update(no_key=True).values_list("id", flat=True):
        raise NothingToDeliver(ERASED)
    own = render(effect, {**facts.values, "recipient.name": user.full_name})
    return Rendered(own.subject if effect.subject else "", own.body if effect.body else "")


def _named(effect: Effect, kind: str) -> Collection[str]:
    return {name for step in effect.escalate for name in step.to} if kind == ESCALATION else effect.to


def _check_rights(job: Job, user: User, named: Collection[str]) -> None:
    """Whom the configuration names by a role must still have its rights, the owner must still be the owner."""
    rights = ROLE_PERMISSIONS[Role(user.role)]
    if VIEW_LIFECYCLE not in rights:
        raise NothingToDeliver("no_right")
    if any(name.startswith(USER_PREFIX) and name_of_user(name) == user.username for name in named):
        return
    if any(name in _ROLES and rights >= ROLE_PERMISSIONS[_ROLES[name]] for name in named):
        return
    customers = Customer.objects.filter(tenant_id=job.tenant.id, id=job.customer_id)
    if _OWNER not in named or not customers.filter(owner_key=user.username).exists():
        raise NothingToDeliver("other_role")


def _check_open(job: Job) -> None:
    status = CustomerLifecycleStatus.objects.filter(tenant_id=job.tenant.id, customer_id=job.customer_id)
    if not status.filter(version=job.sequence).exists():
        raise NothingToDeliver("left_stage")
    same = EffectRun.objects.filter(tenant_id=job.tenant.id, history_id=job.history_id, effect=job.effect)
    seen = Notification.objects.filter(tenant_id=job.tenant.id, effect_id__in=list(same.values_list("id", flat=True)))
    if seen.exclude(acknowledged_at=None).exists():
        raise NothingToDeliver("acknowledged")
