"""What people do about their own account: another password, and ending everything that is open."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from tenants.actors import USER, Actor, TenantRef
from tenants.models import QueuedMail, User
from tenants.services.accounts import people
from tenants.services.accounts.login_guard import take_attempt
from tenants.services.accounts.logins import LONGEST_PASSWORD
from tenants.services.accounts.mails import queue_mail
from tenants.services.accounts.people import BY_PROVIDER, PersonChangeRefused
from tenants.services.directory import find_user

WRONG = gettext_lazy("That is not your current password. Nothing was changed.")
THE_SAME = gettext_noop("That is your current password. Choose a different one.")


class WrongPassword(Exception):
    """The present password that was given is not the one."""


def change_password(
    user_id: UUID, present: str, new: str, *, address: str, device: str, now: dt.datetime, but: UUID | None = None
) -> User:
    """Replace one's own password: every other session and token ends, and a mail says so.

    ``but``: the session in which it is done (``people.set_password``).
    Raises LoginsLimited when the present one was guessed at too often, WrongPassword, ValidationError for a weak one,
    PersonChangeRefused; nothing was changed then.
    """
    user = _find(user_id)
    if user.uses_provider:
        raise PersonChangeRefused(BY_PROVIDER)
    attempt = take_attempt(username=user.username, address=address, device=device)
    if len(present) > LONGEST_PASSWORD or not check_password(present, user.password):
        raise WrongPassword(WRONG)
    attempt.give_back()
    if new == present:
        raise PersonChangeRefused(_(THE_SAME))
    validate_password(new, user)
    return replace_password(user, new, action="set_password", now=now, but=but)


def replace_password(user: User, new: str, *, action: str, now: dt.datetime, but: UUID | None = None) -> User:
    """Set the password that was chosen by the user themselves, and tell them by mail. Raises PersonChangeRefused."""
    changed = people.set_password(
        user.id,
        new,
        tenant=_tenant_of(user),
        actor=_actor(user),
        now=now,
        replacing=user.password,
        action=action,
        but=but,
    )
    queue_mail(QueuedMail.CHANGED, user.id, now=now)
    return changed


def log_out_everywhere(user_id: UUID, *, now: dt.datetime) -> None:
    """End every session and token of one's own, this one too. Raises PersonChangeRefused."""
    people.log_out_everywhere(user_id, now=now, **as_oneself(user_id))


def as_oneself(user_id: UUID) -> dict[str, Any]:
    """Tenant and actor of what someone does about their own account. Raises PersonChangeRefused if they are gone."""
    user = _find(user_id)
    return {"tenant": _tenant_of(user), "actor": _actor(user)}


def _find(user_id: UUID) -> User:
    user = find_user(user_id)
    if user is None:
        raise PersonChangeRefused(_("This account no longer exists."))
    return user


def _tenant_of(user: User) -> TenantRef | None:
    return TenantRef(user.tenant.id, user.tenant.slug) if user.tenant else None


def _actor(user: User) -> Actor:
    return Actor(kind=USER, name=str(user.id))
