"""The admin pages of tenants, people, keys and the audit trail."""

from django.contrib import admin
from django.contrib.auth.models import Group

from tenants.admin import people, tenants, trail

__all__ = ["people", "tenants", "trail"]

# Groups are the roles' grants, kept by tenants.services.people: editing one by hand would bypass the matrix.
if admin.site.is_registered(Group):
    admin.site.unregister(Group)
