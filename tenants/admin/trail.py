"""The audit trail in the admin, to be read: history, refused attempts, administration."""

from django.contrib import admin

from audit.models import AdministrationEntry, LifecycleHistory, RefusedAttempt
from tenants.admin.base import TenantAdmin


@admin.register(LifecycleHistory)
class LifecycleHistoryAdmin(TenantAdmin):
    """Every transition of the tenant's customers. The note stays closed here: it is personal data."""

    list_display = ("changed_at", "customer_id", "from_stage", "to_stage", "reason_code", "source", "changed_by")
    ordering = ("-id",)
    list_filter = ("source",)
    exclude = ("note",)


@admin.register(RefusedAttempt)
class RefusedAttemptAdmin(TenantAdmin):
    """Attempts that were refused, kept for 90 days."""

    list_display = ("attempted_at", "code", "from_stage", "to_stage", "source", "actor", "detail")
    list_filter = ("code", "source")
    ordering = ("-attempted_at",)


@admin.register(AdministrationEntry)
class AdministrationEntryAdmin(TenantAdmin):
    """Who changed what about the tenant itself, and why."""

    list_display = ("recorded_at", "action", "subject", "actor", "reason")
    list_filter = ("action",)
    ordering = ("-id",)
