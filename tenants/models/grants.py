"""django-guardian's grants on tenants, by real foreign keys: the role matrix [SEC-1] as rows."""

from uuid import UUID

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from tenants.models.tenants import Tenant


class TenantUserObjectPermission(UserObjectPermissionBase):
    """django-guardian's grants to single users, by a real foreign key to the tenant. Not used for roles."""

    id: UUID | int
    content_object = models.ForeignKey(Tenant, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class TenantGroupObjectPermission(GroupObjectPermissionBase):
    """django-guardian's grants to the group of a role in a tenant: the role matrix [SEC-1] as rows."""

    id: UUID | int
    content_object = models.ForeignKey(Tenant, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
