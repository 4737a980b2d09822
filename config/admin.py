"""The admin site: who may enter, and what it calls itself."""

from django.contrib import admin
from django.http import HttpRequest


class CustomerAdminSite(admin.AdminSite):
    """Django's admin for tenant admins and internal staff."""

    site_header = "Customer 360 administration"
    site_title = "Customer 360"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        """Active staff only."""
        return bool(request.user.is_active and request.user.is_staff)
