"""Making tenants and users, and giving each role its rights: the role matrix [SEC-1] as django-guardian grants.

Every role of a tenant is a group that holds the role's permissions on that one tenant; a user is in exactly the
group of his role. Nothing else grants anything.
"""

import datetime as dt

from django.contrib.auth.models import Group
from django.contrib.auth.hashers import make_password
from django.db import transaction
from guardian.shortcuts import assign_perm

from tenants.actors import TenantRef
from tenants.context import tenant_context, user_context
from tenants.models import Tenant, User
from tenants.roles import ROLE_PERMISSIONS, Role

TENANT_ROLES = (Role.VIEWER, Role.ACCOUNT_MANAGER, Role.TENANT_ADMIN)


def create_tenant(*, slug: str, name: str, now: dt.datetime) -> TenantRef:
    """A new tenant with the groups of its roles. It has no configuration yet."""
    tenant = Tenant(slug=slug, name=name, created_at=now)
    with tenant_context(tenant.id):
        tenant.save(force_insert=True)
        for role in TENANT_ROLES:
            group, _ = Group.objects.get_or_create(name=group_name(tenant.id, role))
            for permission in sorted(ROLE_PERMISSIONS[role]):
                assign_perm(permission, group, tenant)
    return TenantRef(tenant.id, tenant.slug)


def group_name(tenant_id: object, role: Role) -> str:
    """The name of the group that holds a role's grants on a tenant."""
    return f"tenant:{tenant_id}:{role.value}"


def create_user(
    *,
    username: str,
    password: str | None,
    role: Role,
    tenant: TenantRef | None,
    now: dt.datetime,
    full_name: str = "",
    external_subject: str = "",
    is_service_account: bool = False,
    updates_per_hour: int | None = None,
) -> User:
    """A new user in the group of his role. ``tenant`` is None for a super admin only."""
    user = User(
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
        password=make_password(password),
    )
    if tenant is None:
        with user_context(user.id):
            user.save(force_insert=True)
        return user
    with tenant_context(tenant.id), transaction.atomic():
        user.save(force_insert=True)
        user.groups.add(Group.objects.get(name=group_name(tenant.id, role)))
    return user
