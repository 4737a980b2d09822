"""Alerts on delivery: everything is looked at again, for the person may have lost the right, or the matter be settled.

An alert may escalate: a row for each later step is planned with it, and reaches people only if by then no one has
acknowledged the alert and the customer still is where the change brought it.
"""

import datetime as dt
from collections.abc import Collection
from typing import Final

from lifecycle.models import Customer, CustomerLifecycleStatus, EffectRun, Notification
from lifecycle.services.effects.facts import NothingToDeliver, find_user, gather_facts
from lifecycle.services.effects.kinds import ESCALATION, name_of_user
from lifecycle.services.effects.notifications import notify
from lifecycle.services.effects.preferences import OFF, read_preference
from lifecycle.services.effects.queue import Job
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, VIEW_LIFECYCLE, Role
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.effect_kinds import USER_PREFIX

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
    notify(job, user_id=user.id, preference=preference, is_escalated=job.kind == ESCALATION, now=now)


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
