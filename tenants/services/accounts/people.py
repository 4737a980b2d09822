"""Making tenants and users, and giving each role its rights: the role matrix [SEC-1] as django-guardian grants.

Every role of a tenant is a group that holds the role's permissions on that one tenant; a user is in exactly the
group of their role. Nothing else grants anything.

Whatever changes someone acts on their next request: their cached membership is withdrawn before the commit.
"""

import datetime as dt
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.services.administration import record_administration
from storage.servers import MAIN, current_server
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context, user_context
from tenants.homes import refuse_name_elsewhere, refuse_slug_elsewhere
from tenants.models import Tenant, TenantGroupObjectPermission, User
from tenants.roles import ROLE_PERMISSIONS, Role
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.starters import STARTERS
from tenants.rules.values import InvalidValue, read_line, read_username
from tenants.sentences import describe_value
from tenants.sentences.figures import say_number
from tenants.services.accounts.logins import LONGEST_PASSWORD
from tenants.services.accounts.membership import announce_change
from tenants.services.accounts.session_endings import end_everything
from tenants.services.configuration.versions import publish_version

LONGEST_NAME = 150
BY_PROVIDER = gettext_lazy(
    "You sign in through your company's identity provider, so there is no password here. Nothing was changed: change it"
    " there."
)
TENANT_ROLES = (Role.VIEWER, Role.ACCOUNT_MANAGER, Role.TENANT_ADMIN)


class PersonChangeRefused(Exception):
    """Somebody cannot be changed like this; the sentence says why."""


def create_tenant(*, slug: str, name: str, actor: Actor, now: dt.datetime, is_sandbox: bool = False) -> TenantRef:
    """A new tenant with the groups of its roles; its administration log begins with that. No configuration yet.

    ``is_sandbox`` holds for as long as the tenant is there. Raises IntegrityError when the slug is taken, on whatever
    server, and PersonChangeRefused elsewhere than on the server main: no one would find the tenant there.
    """
    if current_server() != MAIN:
        raise PersonChangeRefused(
            _("A new tenant is made on the server main. Leave the workspace in the switcher first, then try again.")
        )
    refuse_slug_elsewhere(slug)
    try:
        name = read_line(name, LONGEST_NAME, required=True)
    except InvalidValue as error:
        raise PersonChangeRefused(_("The name of the tenant %(error)s.") % {"error": describe_value(error)}) from error
    tenant = Tenant(slug=slug, name=name, is_sandbox=is_sandbox, created_at=now)
    with tenant_context(tenant.id):
        tenant.save(force_insert=True)
        _grant_roles(tenant)
        record_administration(
            "create_tenant",
            slug,
            tenant_id=tenant.id,
            actor=actor,
            detail={"name": name, **({"sandbox": True} if is_sandbox else {})},
            now=now,
        )
    return TenantRef(tenant.id, tenant.slug, is_sandbox)


def _grant_roles(tenant: Tenant) -> None:
    """The groups of a new tenant and what django-guardian's ``assign_perm`` would grant them, in three statements."""
    groups = Group.objects.bulk_create(Group(name=group_name(tenant.id, role)) for role in TENANT_ROLES)
    permissions = Permission.objects.filter(content_type=ContentType.objects.get_for_model(Tenant))
    by_codename = {permission.codename: permission for permission in permissions}
    TenantGroupObjectPermission.objects.bulk_create(
        TenantGroupObjectPermission(content_object=tenant, group=group, permission=by_codename[codename])
        for role, group in zip(TENANT_ROLES, groups, strict=True)
        for codename in sorted(ROLE_PERMISSIONS[role])
    )


def open_tenant(
    *, slug: str, name: str, starter: str, actor: Actor, now: dt.datetime, is_sandbox: bool = False
) -> TenantRef:
    """A new tenant whose first configuration is the starter of that key ('': none). Raises KeyError for another key.

    A sandbox gets the configuration of its story with its customers, whatever the starter.
    """
    tenant = create_tenant(slug=slug, name=name, actor=actor, now=now, is_sandbox=is_sandbox)
    if starter and not is_sandbox:
        with tenant_context(tenant.id):
            # No one is in a stage yet: publishing has nothing to move.
            publish_version(
                parse_configuration(STARTERS[starter].document),
                number=1,
                renamed={},
                mapping={},
                tenant=tenant,
                actor=actor,
                now=now,
                comment=f"First version: {STARTERS[starter].title}.",
            )
    return tenant


def group_name(tenant_id: object, role: Role) -> str:
    """The name of the group that holds a role's grants on a tenant."""
    return f"tenant:{tenant_id}:{role.value}"


def create_user(*, tenant: TenantRef | None, **fields: Any) -> User:
    """A new user in the group of their role, with the fields of ``build_user``. Raises PersonChangeRefused, and
    IntegrityError for a user name that is taken, on whatever server.
    """
    user = build_user(tenant=tenant, **fields)
    refuse_name_elsewhere(user.username, user.id)
    if tenant is None:
        with user_context(user.id):
            user.save(force_insert=True)
        return user
    with tenant_context(tenant.id), transaction.atomic():
        user.save(force_insert=True)
        join_groups([user])
    return user


def build_user(
    *,
    username: str,
    role: Role,
    tenant: TenantRef | None,
    now: dt.datetime,
    password: str | None = None,
    password_hash: str = "",
    full_name: str = "",
    external_subject: str = "",
    is_service_account: bool = False,
    updates_per_hour: int | None = None,
) -> User:
    """A user who is not saved yet. ``tenant`` is None for a super admin only. Raises PersonChangeRefused.

    ``password_hash`` is that of many who share one. Without it and without a password no one can log in as this user.
    """
    try:
        username, full_name = read_username(username), read_line(full_name, LONGEST_NAME)
    except InvalidValue as error:
        raise PersonChangeRefused(_("The name %(error)s.") % {"error": describe_value(error)}) from error
    return User(
        username=username,
        email=username if "@" in username else "",
        full_name=full_name,
        tenant_id=tenant.id if tenant else None,
        role=role,
        external_subject=external_subject,
        is_service_account=is_service_account,
        updates_per_hour=updates_per_hour,
        is_staff=role in (Role.TENANT_ADMIN, Role.SUPER_ADMIN),
        is_superuser=role == Role.SUPER_ADMIN,
        created_at=now,
        password=password_hash or make_password(password),
    )


def join_groups(users: Sequence[User]) -> None:
    """Put new users of one tenant into the groups of their roles. Two statements."""
    names = {user.id: group_name(user.tenant_id, Role(user.role)) for user in users}
    groups = dict(Group.objects.filter(name__in=names.values()).values_list("name", "id"))
    membership = User.groups.through
    membership.objects.bulk_create(membership(user_id=key, group_id=groups[name]) for key, name in names.items())


def set_role(user_id: UUID, role: Role, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """Give a person of the tenant another role, and with it the group that holds the role's grants.

    Acts on their next request; tokens issued before never grant more than they say. Raises PersonChangeRefused.
    """
    if role not in TENANT_ROLES:
        raise PersonChangeRefused(_("Super admins are internal staff. Users of a tenant cannot become one."))
    with tenant_context(tenant.id), transaction.atomic():
        user = lock_user(user_id, tenant)
        before = Role(user.role)
        if before == role:
            return user
        _refuse_last_admin(user, tenant)
        user.role, user.is_staff = role, role == Role.TENANT_ADMIN
        user.save(update_fields=["role", "is_staff"])
        user.groups.set([Group.objects.get(name=group_name(tenant.id, role))])
        record_person("set_role", user, tenant, actor, now, {"from": before.value, "to": role.value})
        announce_change([user.id])
    return user


def deactivate_user(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """Shut a person out: their sessions, access tokens and refresh tokens end with their next request."""
    with tenant_context(tenant.id), transaction.atomic():
        user = lock_user(user_id, tenant)
        if user.is_active:
            _refuse_last_admin(user, tenant)
            user.is_active = False
            user.save(update_fields=["is_active"])
            end_everything(user.id, now=now)
            record_person("deactivate_user", user, tenant, actor, now)
            announce_change([user.id])
    return user


def reactivate_user(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> User:
    """Let a person in again, with the role they had. They have to log in."""
    with tenant_context(tenant.id), transaction.atomic():
        user = lock_user(user_id, tenant)
        if not user.is_active:
            if user.is_erased:
                raise PersonChangeRefused(_("This user was erased and stays deactivated. Invite the person again."))
            user.is_active = True
            user.save(update_fields=["is_active"])
            record_person("reactivate_user", user, tenant, actor, now)
            announce_change([user.id])
    return user


def set_password(
    user_id: UUID,
    password: str,
    *,
    tenant: TenantRef | None,
    actor: Actor,
    now: dt.datetime,
    replacing: str | None = None,
    action: str = "set_password",
    but: UUID | None = None,
) -> User:
    """Give somebody a new password; every session and token of the old one is dead. ``tenant`` None: a super admin.

    ``but``: the session of the pages in which they do it themselves, and which goes on with the new password's hash.
    ``replacing``: the encoded password that the caller has seen; of two who replace the same one, the first does.
    Raises PersonChangeRefused, also for those who sign in by their company's identity provider; nothing was changed
    then.
    """
    if len(password) > LONGEST_PASSWORD:
        raise PersonChangeRefused(
            _("A password has at most %(most)s characters.") % {"most": say_number(LONGEST_PASSWORD)}
        )
    encoded = make_password(password)
    with context_of(user_id, tenant), transaction.atomic():
        user = lock_user(user_id, tenant)
        if user.uses_provider:
            raise PersonChangeRefused(BY_PROVIDER)
        if replacing is not None and user.password != replacing:
            raise PersonChangeRefused(_("The password was set in the meantime. Nothing was changed: log in with it."))
        user.password = encoded
        user.save(update_fields=["password"])
        end_everything(user.id, now=now, but=but)
        record_person(action, user, tenant, actor, now)
        announce_change([user.id])
    return user


def log_out_everywhere(
    user_id: UUID,
    *,
    tenant: TenantRef | None,
    actor: Actor,
    now: dt.datetime,
    reason: str = "",
    but: UUID | None = None,
    action: str = "log_out_everywhere",
) -> User:
    """End every session, access token and refresh token of somebody; the password stays.

    ``tenant`` None: a super admin. What an identity provider of their company has issued ends by its own time. ``but``:
    as in ``set_password``. Raises PersonChangeRefused.
    """
    with context_of(user_id, tenant), transaction.atomic():
        user = lock_user(user_id, tenant)
        user.logouts += 1
        user.save(update_fields=["logouts"])
        end_everything(user.id, now=now, but=but)
        record_person(action, user, tenant, actor, now, reason=reason)
        announce_change([user.id])
    return user


def set_own_settings(
    user_id: UUID, *, language: str, time_zone: str, tenant: TenantRef | None, actor: Actor, now: dt.datetime
) -> User:
    """Keep the language and the time zone that somebody chose for themselves. What is so already is not written."""
    with context_of(user_id, tenant), transaction.atomic():
        user = lock_user(user_id, tenant)
        chosen = {"language": language, "time_zone": time_zone}
        if any(getattr(user, name) != value for name, value in chosen.items()):
            user.language, user.time_zone = language, time_zone
            user.save(update_fields=list(chosen))
            record_person("set_own_settings", user, tenant, actor, now, chosen)
    return user


def suspend_tenant(*, tenant: TenantRef, actor: Actor, now: dt.datetime, reason: str = "") -> None:
    """Shut a whole tenant out: its people on their next request, its events and log-ins at once."""
    _set_suspended(True, tenant=tenant, actor=actor, reason=reason, now=now)


def resume_tenant(*, tenant: TenantRef, actor: Actor, now: dt.datetime, reason: str = "") -> None:
    """Let a suspended tenant in again. Its people have to log in."""
    _set_suspended(False, tenant=tenant, actor=actor, reason=reason, now=now)


def _set_suspended(suspended: bool, *, tenant: TenantRef, actor: Actor, reason: str, now: dt.datetime) -> None:
    with tenant_context(tenant.id), transaction.atomic():
        row = Tenant.objects.select_for_update().get(id=tenant.id)
        if row.is_suspended == suspended:
            return
        row.is_suspended = suspended
        row.save(update_fields=["is_suspended"])
        people = list(User.objects.filter(tenant_id=tenant.id).values_list("id", flat=True))
        if suspended:
            for user_id in people:
                end_everything(user_id, now=now)
        record_administration(
            "suspend_tenant" if suspended else "resume_tenant",
            tenant.slug,
            tenant_id=tenant.id,
            actor=actor,
            reason=reason,
            now=now,
        )
        announce_change(people)


def context_of(user_id: UUID, tenant: TenantRef | None) -> AbstractContextManager[None]:
    """In which a user's own row is seen: their tenant's, or that of a super admin."""
    return tenant_context(tenant.id) if tenant else user_context(user_id)


def lock_user(user_id: UUID, tenant: TenantRef | None) -> User:
    """The user, held until the transaction ends. Raises PersonChangeRefused if there is none of the tenant."""
    user = User.objects.select_for_update().filter(id=user_id).first()
    if user is None or user.tenant_id != (tenant.id if tenant else None):
        raise PersonChangeRefused(_("There is no such user here. Check the id."))
    return user


def _refuse_last_admin(user: User, tenant: TenantRef) -> None:
    """A tenant keeps a person who can administer it. Admins who demote each other take turns at the tenant's row."""
    if user.role != Role.TENANT_ADMIN or not user.is_active or user.is_service_account:
        return
    Tenant.objects.select_for_update().get(id=tenant.id)
    admins = User.objects.filter(tenant_id=tenant.id, role=Role.TENANT_ADMIN, is_active=True, is_service_account=False)
    if not admins.exclude(id=user.id).exists():
        raise PersonChangeRefused(_("This is the tenant's last admin. Make someone else an admin first."))


def record_person(
    action: str,
    user: User,
    tenant: TenantRef | None,
    actor: Actor,
    now: dt.datetime,
    detail: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Write into the administration log what was done about a user."""
    record_administration(
        action, user.id, tenant_id=tenant.id if tenant else None, actor=actor, reason=reason, detail=detail, now=now
    )
