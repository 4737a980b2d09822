"""The admin pages of tenants, people and keys."""

# Django's own pages register themselves when they are imported: now, and not after what follows.
import django.contrib.auth.admin  # noqa: F401
from django.contrib import admin
from django.contrib.auth.models import Group

from tenants.admin import api_keys, people, tenants

__all__ = ["api_keys", "people", "tenants"]

# Groups are the roles' grants, kept by tenants.services.accounts.people: editing one by hand would bypass the matrix.
admin.site.unregister(Group)
