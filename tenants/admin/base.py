"""What every admin page begins with: read-only unless it calls a service, and rights from the identity."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from tenants.identity import Identity
from tenants.roles import CONFIGURE_STAGES, Role
from tenants.services.accounts.people import PersonChangeRefused
from tenants.services.directory import PLATFORM

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    # Django's own classes take no parameters at run time.
    _ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm


class RowList(ChangeList):
    """A list under the name of what it lists."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = capfirst(str(self.opts.verbose_name_plural))


def identity_of(request: HttpRequest) -> Identity:
    """Who looks at this admin page."""
    identity: Identity = getattr(request, "identity")  # noqa: B009  set by config.admin
    return identity


class TenantAdmin(_ModelAdmin):
    """Rows of the tenant at hand, for reading. A super admin chooses a tenant first, and says why.

    Without one, pages that need one lead to the choice (``config.admin``), the others show what belongs to no tenant.
    Nothing is saved, deleted or exported by Django's own means: subclasses that change something call a service.
    """

    actions: Any = ()
    list_per_page = 50
    show_full_result_count = False
    # Whether there is nothing to see without a tenant.
    needs_tenant = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The tenant's rows, by row-level security; without a tenant those of internal staff itself."""
        rows = super().get_queryset(request)
        if identity_of(request).tenant is None:
            return rows.none() if self.needs_tenant else rows.using(PLATFORM).filter(tenant_id__isnull=True)
        return rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list, named after what is in it."""
        return RowList

    def changes_something(self, request: HttpRequest) -> bool:
        """Whether what is sent changes something, so that internal staff must say why."""
        return request.method == "POST"

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """The filters that the page shows, and no other: Django would compare any column, a password's hash as well."""
        field, _, comparison = lookup.partition("__")
        texts = value if isinstance(value, list) else [value]
        filtered = [one[0] if isinstance(one, tuple) else one for one in self.list_filter]
        return (
            field in filtered
            and comparison in ("", "exact", "isnull")
            and not any("\x00" in str(text) for text in texts)
        )

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """An action on the rows that were chosen; what is no row is said, and nothing is done."""
        try:
            return super().response_action(request, queryset)
        except (ValidationError, ValueError):
            messages.error(request, _("Choose rows on this page. Nothing was changed."))
            return HttpResponseRedirect(request.get_full_path())

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Anyone who may enter the admin at all."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Anyone who may configure the tenant."""
        return identity_of(request).may(CONFIGURE_STAGES)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No one, unless a subclass calls a service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No one, unless a subclass calls a service."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No one: what was, stays."""
        return False

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The service has written the administration log; Django's own log would be a second, weaker one."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """As above."""


class ServiceAdmin(TenantAdmin):
    """A TenantAdmin whose forms call services. A refusal of the service is shown as it is, and nothing was changed."""

    refusals: tuple[type[Exception], ...] = (PersonChangeRefused,)

    def may_change_rows(self, request: HttpRequest) -> bool:
        """Whether the caller works for a tenant: a super admin must have chosen one."""
        identity = identity_of(request)
        return identity.tenant is not None and identity.may(CONFIGURE_STAGES)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form; a refusal brings the caller back to it with the sentence."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except self.refusals as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """An action; a refusal is shown and nothing was changed."""
        try:
            return super().response_action(request, queryset)
        except self.refusals as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())


def service_arguments(request: HttpRequest) -> dict[str, Any]:
    """``tenant``, ``actor`` and ``now`` for a service, from the request."""
    identity = identity_of(request)
    return {"tenant": identity.tenant, "actor": identity.actor(), "now": timezone.now()}


def is_super_admin(request: HttpRequest) -> bool:
    """Whether internal staff looks."""
    return identity_of(request).role == Role.SUPER_ADMIN
