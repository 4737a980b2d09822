"""Inviting people: an account without a password, and a link that lets its owner set one, once, for three days."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import IntegrityError, transaction
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from audit.services.administration import record_administration
from tenants.actors import USER, Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import Role
from tenants.services.directory import find_user
from tenants.services.people import TENANT_ROLES, PersonChangeRefused, create_user, set_password


class _InvitationTokens(PasswordResetTokenGenerator):
    """The token is a hash over the present password: it dies when a password is set."""

    key_salt = "tenants.services.invitations"


_tokens = _InvitationTokens()


def invite_user(
    *,
    username: str,
    full_name: str,
    role: Role,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    external_subject: str = "",
) -> tuple[User, str]:
    """A new person of the tenant, and the path of the page on which he sets his password.

    Raises PersonChangeRefused for a role beyond the tenant, or a user name that is taken anywhere: the sentence does
    not say where.
    """
    if role not in TENANT_ROLES:
        raise PersonChangeRefused("Super admins are internal staff: nobody of a tenant can become one.")
    details = {"full_name": full_name, "external_subject": external_subject}
    user = _create("invite_user", username, role, tenant=tenant, actor=actor, now=now, **details)
    return user, invitation_path(user)


def create_service_account(
    *, username: str, role: Role, updates_per_hour: int | None, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> User:
    """A new service account of the tenant. It has no password; API keys open it. Raises PersonChangeRefused."""
    if role not in TENANT_ROLES:
        raise PersonChangeRefused("A service account works for one tenant: choose one of its roles.")
    details = {"is_service_account": True, "updates_per_hour": updates_per_hour}
    return _create("create_service_account", username, role, tenant=tenant, actor=actor, now=now, **details)


def invitation_path(user: User) -> str:
    """Where an invited person sets his password. Valid for three days (PASSWORD_RESET_TIMEOUT) and once."""
    return f"/invitation/{urlsafe_base64_encode(force_bytes(user.pk))}/{_tokens.make_token(user)}"


def find_invited(uid: str, token: str) -> User | None:
    """The person whom a link invites, if it is still good."""
    try:
        user = find_user(UUID(urlsafe_base64_decode(uid).decode()))
    except (ValueError, UnicodeDecodeError):
        return None
    if user is None or not user.is_active or user.is_service_account or user.tenant is None or user.tenant.is_suspended:
        return None
    return user if _tokens.check_token(user, token) else None


def accept_invitation(user: User, password: str, *, now: dt.datetime) -> None:
    """Set the invited person's first password, once.

    Raises ValidationError when it is too weak, PersonChangeRefused when the invitation was used meanwhile.
    """
    validate_password(password, user)
    assert user.tenant is not None  # noqa: S101  find_invited has seen to it
    tenant = TenantRef(user.tenant.id, user.tenant.slug)
    with tenant_context(tenant.id), transaction.atomic():
        # Of two who use the link at the same moment, the second finds the password of the first.
        if not User.objects.select_for_update().filter(id=user.id, password=user.password).exists():
            raise PersonChangeRefused("The invitation was used meanwhile: log in, or ask for a new one.")
        set_password(user.id, password, tenant=tenant, actor=Actor(kind=USER, name=str(user.id)), now=now)


def _create(
    action: str, username: str, role: Role, *, tenant: TenantRef, actor: Actor, now: dt.datetime, **details: Any
) -> User:
    """An account without a password, and its line in the log."""
    try:
        with transaction.atomic():
            user = create_user(username=username, password=None, role=role, tenant=tenant, now=now, **details)
            record_administration(
                tenant_id=tenant.id,
                actor=actor.name,
                actor_kind=actor.kind,
                action=action,
                subject=str(user.id),
                detail={"role": user.role},
                now=now,
            )
    except IntegrityError as error:
        raise PersonChangeRefused("This user name cannot be used: choose another.") from error
    return user
