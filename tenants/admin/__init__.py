"""The admin pages of tenants, people and keys."""

from django.contrib import admin
from django.contrib.auth.models import Group

from tenants.admin import api_keys, people, tenants

__all__ = ["api_keys", "people", "tenants"]

# Groups are the roles' grants, kept by tenants.services.accounts.people: editing one by hand would bypass the matrix.
if admin.site.is_registered(Group):
    admin.site.unregister(Group)
