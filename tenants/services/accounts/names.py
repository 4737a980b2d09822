"""What a user of a tenant is called: giving them another name, and erasing every name of theirs [SEC-7].

The audit trail holds ids. It shows what a user was called at the time (``audit.services.former_names``), and what is
left of an erased one is the id.
"""

import datetime as dt
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from audit.services.former_names import forget_names
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.rules.values import InvalidValue, read_line
from tenants.sentences import describe_value
from tenants.services.accounts.membership import announce_change
from tenants.services.accounts.people import LONGEST_NAME, PersonChangeRefused, lock_user
from tenants.services.accounts.session_endings import end_everything

ERASED_NAME: Final = "Erased user"


def rename_user(user_id: UUID, full_name: str, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """Give a user another full name; the log keeps that it changed, and neither name. Raises PersonChangeRefused."""
    try:
        full_name = read_line(full_name, LONGEST_NAME)
    except InvalidValue as error:
        raise PersonChangeRefused(
            _("The full name %(error)s. Nothing was changed.") % {"error": describe_value(error)}
        ) from error
    with tenant_context(tenant.id), transaction.atomic():
        user = lock_user(user_id, tenant)
        if user.is_erased:
            raise PersonChangeRefused(_("This user was erased. Nothing was changed."))
        if user.full_name != full_name:
            user.full_name = full_name
            user.save(update_fields=["full_name"])
            record_administration("rename_user", user.id, tenant_id=tenant.id, actor=actor, now=now)
    return user


def erase_user(user_id: UUID, *, reason: str, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """Erase what names a user who was deactivated: names, address, external subject, password, former names.

    What they did stays, under their id. The owner that a CRM reports is a text of the CRM: it is changed there. Raises
    PersonChangeRefused for a user who is active, and without a reason; nothing was changed then.
    """
    if not reason:
        raise PersonChangeRefused(_("Enter a reason. Nothing was erased."))
    with tenant_context(tenant.id), transaction.atomic():
        user = lock_user(user_id, tenant)
        if user.is_active:
            raise PersonChangeRefused(
                _("%(name)s is active. Deactivate them first. Nothing was erased.") % {"name": user.username}
            )
        user.username, user.full_name = f"erased-{user.id}", ERASED_NAME
        user.email = user.external_subject = ""
        user.last_login = None
        user.set_unusable_password()
        user.save(update_fields=["username", "full_name", "email", "external_subject", "last_login", "password"])
        # Those that were replaced just now, too.
        forget_names(user.id, tenant_id=tenant.id)
        end_everything(user.id, now=now)
        record_administration("erase_user", user.id, tenant_id=tenant.id, actor=actor, reason=reason, now=now)
        announce_change([user.id])
    return user
