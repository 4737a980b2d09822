"""Which team a person works in: what "my team's" means on the pages."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.rules.values import InvalidValue, read_line
from tenants.sentences import describe_value
from tenants.services.accounts.people import PersonChangeRefused, lock_user

LONGEST_TEAM = 100


def set_team(user_id: UUID, team: str, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """Put a person of the tenant into a team, or (empty) into none.

    Raises PersonChangeRefused.
    """
    try:
        team = read_line(team, LONGEST_TEAM)
    except InvalidValue as error:
        raise PersonChangeRefused(
            _("The team %(error)s. Nothing was changed.") % {"error": describe_value(error)}
        ) from error
    with tenant_context(tenant.id), transaction.atomic():
        user = lock_user(user_id, tenant)
        if user.team == team:
            return user
        before, user.team = user.team, team
        user.save(update_fields=["team"])
        record_administration(
            "set_team", user.id, tenant_id=tenant.id, actor=actor, detail={"from": before, "to": team}, now=now
        )
    return user
