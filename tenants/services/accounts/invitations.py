"""Inviting people: an account without a password, and a link that lets its owner set one, once, for three days."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from tenants.actors import USER, Actor, TenantRef
from tenants.models import QueuedMail, User
from tenants.roles import Role
from tenants.services.accounts.links import LinkTokens
from tenants.services.accounts.mails import is_mail_configured, queue_mail
from tenants.services.accounts.people import TENANT_ROLES, PersonChangeRefused, create_user, set_password

_tokens = LinkTokens("invitations", lifetime=dt.timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT))


def invite_user(
    *,
    username: str,
    full_name: str,
    role: Role,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    external_subject: str = "",
) -> User:
    """A new person of the tenant, who is sent a link to the page on which they set a password, where mail can be sent.

    Someone with an ``external_subject`` signs in by the company's identity provider and gets no link. Raises
    PersonChangeRefused for a role beyond the tenant, or a user name that is taken anywhere: the sentence does not say
    where.
    """
    if role not in TENANT_ROLES:
        raise PersonChangeRefused(_("Super admins are internal staff. Users of a tenant cannot become one."))
    details = {"full_name": full_name, "external_subject": external_subject}
    with transaction.atomic():
        user = _create("invite_user", username, role, tenant=tenant, actor=actor, now=now, **details)
        queue_invitation(user, now=now)
    return user


def queue_invitation(user: User, *, now: dt.datetime) -> None:
    """Have the link sent to someone who sets their first password by it; nothing for anyone else."""
    if user.email and not user.uses_provider and not user.has_usable_password():
        queue_mail(QueuedMail.INVITATION, user.id, now=now)


def create_service_account(
    *, username: str, role: Role, updates_per_hour: int | None, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> User:
    """A new service account of the tenant. It has no password; API keys open it. Raises PersonChangeRefused."""
    if role not in TENANT_ROLES:
        raise PersonChangeRefused(_("A service account works for one tenant: choose one of its roles."))
    details = {"is_service_account": True, "updates_per_hour": updates_per_hour}
    return _create("create_service_account", username, role, tenant=tenant, actor=actor, now=now, **details)


def invitation_path(user: User) -> str:
    """Where an invited person sets their password. Valid for three days (PASSWORD_RESET_TIMEOUT) and once."""
    return _tokens.make_path("invitation", user)


def show_invitation(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> str:
    """The path of a person's invitation, for ``actor`` to pass on; the log keeps that they had it.

    Call inside the tenant's context. Raises PersonChangeRefused for those who need none and must not have one.
    """
    user = _find_open_invitation(user_id, tenant)
    record_administration("show_invitation", user.id, tenant_id=tenant.id, actor=actor, now=now)
    return invitation_path(user)


def send_invitation(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """Send a person their invitation again. Raises PersonChangeRefused, as ``show_invitation`` and without mail."""
    user = _find_open_invitation(user_id, tenant)
    if not is_mail_configured():
        raise PersonChangeRefused(_("This installation does not send e-mail: show the link, and pass it on."))
    if not user.email:
        raise PersonChangeRefused(
            _("%(name)s is not an e-mail address: show the link, and pass it on.") % {"name": user.username}
        )
    queue_mail(QueuedMail.INVITATION, user.id, now=now)
    record_administration("send_invitation", user.id, tenant_id=tenant.id, actor=actor, now=now)


def find_invited(uid: str, token: str) -> User | None:
    """The person whom a link invites, if it is still valid."""
    user = _tokens.find_user(uid, token)
    return user if user is not None and user.tenant is not None else None


def accept_invitation(user: User, password: str, *, now: dt.datetime) -> None:
    """Set the invited person's first password, once.

    Raises ValidationError when it is too weak, PersonChangeRefused when the invitation was used in the meantime.
    """
    validate_password(password, user)
    assert user.tenant is not None  # noqa: S101  find_invited has seen to it
    set_password(
        user.id,
        password,
        tenant=TenantRef(user.tenant.id, user.tenant.slug),
        actor=Actor(kind=USER, name=str(user.id)),
        now=now,
        replacing=user.password,
    )


def _find_open_invitation(user_id: UUID, tenant: TenantRef) -> User:
    user = User.objects.filter(id=user_id, tenant_id=tenant.id).first()
    if user is None:
        raise PersonChangeRefused(_("There is no such user here. Check the id."))
    if not user.is_active:
        # Their link leads nowhere, and none is sent.
        raise PersonChangeRefused(
            _("%(name)s is deactivated: an invitation would open nothing. Reactivate them first.")
            % {"name": user.username}
        )
    if user.uses_provider:
        raise PersonChangeRefused(
            _("%(name)s signs in through your company's identity provider: they have no password and no invitation.")
            % {"name": user.username}
        )
    if user.has_usable_password() or user.is_service_account:
        raise PersonChangeRefused(_("%(name)s needs no invitation.") % {"name": user.username})
    return user


def _create(
    action: str, username: str, role: Role, *, tenant: TenantRef, actor: Actor, now: dt.datetime, **details: Any
) -> User:
    """An account without a password, and its line in the log."""
    try:
        with transaction.atomic():
            user = create_user(username=username, password=None, role=role, tenant=tenant, now=now, **details)
            record_administration(
                action, user.id, tenant_id=tenant.id, actor=actor, detail={"role": user.role}, now=now
            )
    except IntegrityError as error:
        raise PersonChangeRefused(_("This user name cannot be used: choose another.")) from error
    return user
