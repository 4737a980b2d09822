"""People as a company's directory provisions them: made, kept as the directory has them, let go, deleted.

Through the same services as in the admin, so each step is in the administration log, and the last admin stays.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from tenants.actors import Actor, TenantRef
from tenants.homes import refuse_name_elsewhere
from tenants.models import User
from tenants.roles import Role
from tenants.rules.values import InvalidValue, read_line, read_username
from tenants.sentences import describe_value
from tenants.services.accounts.invitations import invite_user, queue_invitation
from tenants.services.accounts.membership import announce_change
from tenants.services.accounts.names import erase_user, rename_user
from tenants.services.accounts.people import (
    PersonChangeRefused,
    deactivate_user,
    lock_user,
    reactivate_user,
    set_role,
)
from tenants.services.accounts.session_endings import end_everything

LONGEST_SUBJECT: Final = 255


class NameTaken(PersonChangeRefused):
    """Somebody has this user name, or this id of the directory, already; the sentence does not say who or where."""


class PersonErased(PersonChangeRefused):
    """What named the person was erased, also by a request that was first: nothing gives it back."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the directory has them. ``external_id`` is the subject by which its identity provider names them."""

    username: str
    full_name: str
    external_id: str
    role: Role
    is_active: bool


def list_people(tenant: TenantRef) -> QuerySet[User]:
    """The people of the tenant whom a directory sees: no service accounts, no one who was erased."""
    erased = Concat(Value("erased-"), Cast("id", CharField()))
    return User.objects.filter(tenant_id=tenant.id, is_service_account=False).exclude(username=erased).order_by("id")


def describe_person(user: User) -> Person:
    """A person as they are kept."""
    return Person(user.username, user.full_name, user.external_subject, Role(user.role), user.is_active)


def provision_person(wanted: Person, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """A new person, invited by mail unless they sign in by the company's identity provider.

    Call inside the tenant's context. Raises NameTaken and PersonChangeRefused; nothing is saved then.
    """
    about: dict[str, Any] = {"tenant": tenant, "actor": actor, "now": now}
    with transaction.atomic():
        try:
            user = invite_user(
                username=wanted.username,
                full_name=wanted.full_name,
                role=wanted.role,
                external_subject=_read_subject(wanted.external_id),
                **about,
            )
        except PersonChangeRefused as refused:
            if isinstance(refused.__cause__, IntegrityError):
                raise NameTaken(str(refused)) from refused
            raise
        return user if wanted.is_active else deactivate_user(user.id, **about)


def keep_person(
    user_id: UUID, change: Callable[[Person], Person], *, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> User:
    """Make a person what the directory says; what is so already is neither written nor recorded.

    ``change`` is given the person as they are once no one else changes them: of two requests at once, the second begins
    with what the first has made. Deactivation ends their sessions and tokens, and so does another subject. Call inside
    the tenant's context. Raises NameTaken, PersonErased and PersonChangeRefused, and what ``change`` raises; nothing is
    changed then.
    """
    about: dict[str, Any] = {"tenant": tenant, "actor": actor, "now": now}
    with transaction.atomic():
        person = lock_user(user_id, tenant)
        if person.is_erased:
            # Who has waited here for the erasure: with the name that it was sent the person would be here again.
            raise PersonErased(_("This user was erased. Nothing was changed."))
        wanted = change(describe_person(person))
        if not wanted.is_active:
            # First: the last admin can be neither let go nor given another role.
            deactivate_user(user_id, **about)
        _identify(user_id, wanted, **about)
        rename_user(user_id, wanted.full_name, **about)
        user = set_role(user_id, wanted.role, **about)
        if wanted.is_active:
            user = reactivate_user(user_id, **about)
            before = (person.email, person.is_active, person.uses_provider)
            if before != (user.email, True, user.uses_provider):
                # What was sent before went to another address, and its link has ended; to someone who is out, or who
                # signed in by the company's provider, none goes.
                queue_invitation(user, now=now)
    user.refresh_from_db()
    return user


def delete_person(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """Let a person go and erase what names them; what they did stays, under their id. Raises PersonChangeRefused."""
    with transaction.atomic():
        deactivate_user(user_id, tenant=tenant, actor=actor, now=now)
        erase_user(user_id, reason="deleted in the directory", tenant=tenant, actor=actor, now=now)


def _identify(user_id: UUID, wanted: Person, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    try:
        username, subject = read_username(wanted.username), _read_subject(wanted.external_id)
    except InvalidValue as error:
        raise PersonChangeRefused(_("The name %(error)s.") % {"error": describe_value(error)}) from error
    user = lock_user(user_id, tenant)
    if (user.username, user.external_subject) == (username, subject):
        return
    changed = [
        name
        for name, is_same in (("username", user.username == username), ("subject", user.external_subject == subject))
        if not is_same
    ]
    user.username, user.external_subject = username, subject
    user.email = username if "@" in username else ""
    if "subject" in changed:
        # Another identity signs in here from now on: who was logged in by the former one is no longer.
        user.logouts += 1
    try:
        if "username" in changed:
            refuse_name_elsewhere(username, user.id)
        with transaction.atomic():
            user.save(update_fields=["username", "external_subject", "email", "logouts"])
    except IntegrityError as error:
        raise NameTaken(_("This user name cannot be used: choose another.")) from error
    if "subject" in changed:
        end_everything(user.id, now=now)
    record_administration(
        "identify_user", user.id, tenant_id=tenant.id, actor=actor, detail={"changed": changed}, now=now
    )
    announce_change([user.id])


def _read_subject(text: str) -> str:
    try:
        return read_line(text, LONGEST_SUBJECT)
    except InvalidValue as error:
        raise PersonChangeRefused(_("The name %(error)s.") % {"error": describe_value(error)}) from error
