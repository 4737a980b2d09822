"""Tenants in the admin: tenant admins see their own; a super admin opens, suspends and resumes them."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tenants.actors import TenantRef
from tenants.admin.asking import ask_first, read_why
from tenants.admin.base import ModelForm, ServiceAdmin, identity_of, is_super_admin, service_arguments
from tenants.admin.everywhere import OfAllServers, on_each_server
from tenants.homes import at_home
from tenants.models import Tenant
from tenants.rules.configuration.starters import STARTERS
from tenants.services.accounts.people import PersonChangeRefused, open_tenant, resume_tenant, suspend_tenant
from tenants.services.accounts.tenant_settings import set_effects_budget
from tenants.services.directory import PLATFORM

FACTS = ("slug", "name", "is_suspended", "is_sandbox", "emptied_at", "configuration_version", "created_at")


def _list_starters() -> list[tuple[str, str]]:
    """What a tenant may begin with, in the reader's language."""
    return [
        *((key, f"{_(starter.title)}: {_(starter.summary)}") for key, starter in STARTERS.items()),
        ("", _("None: its admins create one from scratch")),
    ]


class TenantForm(ModelForm):
    """A new tenant, and the configuration that it begins with."""

    starter = forms.ChoiceField(
        choices=_list_starters,
        required=False,
        label=gettext_lazy("First configuration"),
        help_text=gettext_lazy("Published as version 1. Its admins can change everything later."),
    )

    class Meta:
        model = Tenant
        fields = ("slug", "name", "is_sandbox")


class SettingsForm(ModelForm):
    """What a tenant sets for itself."""

    class Meta:
        model = Tenant
        fields = ("effects_budget",)


@admin.register(Tenant)
class TenantModelAdmin(OfAllServers, ServiceAdmin):
    """Tenants. Super admins read all of them over the reading connection, whichever they work for at the moment."""

    list_display = ("name", "slug", "is_suspended", "is_sandbox", "configuration_version", "created_at")
    list_filter = ("is_suspended", "is_sandbox")
    ordering = ("name",)
    search_fields = ("name", "slug")
    actions: Any = ("suspend", "resume")
    form = TenantForm
    needs_tenant = False
    tenant_column = "id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """All for a super admin, their own for a tenant's admin."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows.using(PLATFORM) if is_super_admin(request) else rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Super admins."""
        return is_super_admin(request)

    def get_actions(self, request: HttpRequest) -> Any:
        """For super admins only."""
        return super().get_actions(request) if is_super_admin(request) else {}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form for a new tenant; the facts of an old one."""
        return ("slug", "name", "starter", "is_sandbox") if obj is None else (*FACTS, "effects_budget")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a tenant is called and does is not changed here."""
        return () if obj is None else FACTS

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may configure the tenant at hand, for that one alone."""
        tenant = identity_of(request).tenant
        return self.may_change_rows(request) and (obj is None or (tenant is not None and obj.pk == tenant.id))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """The settings of an old tenant."""
        return super().get_form(request, obj, change, **(options | ({"form": SettingsForm} if change else {})))

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        """Open the tenant, or keep its settings. Its people and its configuration come next, working for it."""
        if change:
            set_effects_budget(form.cleaned_data["effects_budget"], **service_arguments(request))
            return
        try:
            with transaction.atomic():
                made = open_tenant(**form.cleaned_data, actor=identity_of(request).actor(), now=timezone.now())
        except IntegrityError as error:
            raise PersonChangeRefused(_("A tenant with this slug already exists. Choose another.")) from error
        obj.pk = made.id
        obj._state.adding = False
        messages.info(request, _say_next(form.cleaned_data))

    @admin.action(description=gettext_lazy("Suspend the selected tenants"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        """Shut their people out at once, after asking."""
        asked = ask_first(
            self,
            request,
            action="suspend",
            title=_("Suspend these tenants?"),
            consequence=_("Their people are logged out and their events are refused, until they are resumed."),
            button=_("Suspend"),
            is_final=False,
            asks_why=True,
            rows=[(tenant.pk, tenant.name, tenant.slug) for tenant in _list_chosen(queryset)],
        )
        if asked is None:
            self._each(request, queryset, suspend_tenant)
        return asked

    @admin.action(description=gettext_lazy("Resume the selected tenants"))
    def resume(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        """Let their people in again, after asking."""
        asked = ask_first(
            self,
            request,
            action="resume",
            title=_("Resume these tenants?"),
            consequence=_("Their people can log in again, and their events are applied."),
            button=_("Resume"),
            is_final=False,
            asks_why=True,
            rows=[(tenant.pk, tenant.name, tenant.slug) for tenant in _list_chosen(queryset)],
        )
        if asked is None:
            self._each(request, queryset, resume_tenant)
        return asked

    def _each(self, request: HttpRequest, queryset: QuerySet[Tenant], service: Any) -> None:
        actor = identity_of(request).actor()
        tenants = _list_chosen(queryset)
        if any(identity_of(request).tenant not in (None, TenantRef(row.id, row.slug)) for row in tenants):
            raise PersonChangeRefused(_("You are working in one tenant's workspace. Leave it in the switcher first."))
        for row in tenants:
            # Each by itself: one that is done stays done.
            with at_home(row.id, apart=True):
                service(tenant=TenantRef(row.id, row.slug), actor=actor, reason=read_why(request), now=timezone.now())
        count = len(tenants)
        messages.success(
            request, ngettext("Done for %(count)s tenant.", "Done for %(count)s tenants.", count) % {"count": count}
        )


def _say_next(made: Mapping[str, Any]) -> SafeString:
    """What comes next for a new tenant, with a link that leads there."""
    asked = urlencode({"tenant": made["slug"], "next": reverse("admin:tenants_user_add")})
    link = format_html(
        '<a href="{}?{}">{}</a>',
        reverse("choose-tenant"),
        asked,
        _("Work for “%(tenant)s” and invite its first admin") % {"tenant": made["name"]},
    )
    if made["is_sandbox"]:
        return format_html("{} {}", link, _("Its customers arrive within ten minutes."))
    if made["starter"]:
        return link
    return format_html("{} {}", link, _("They find starters for the lifecycle under “Lifecycle”."))


def _list_chosen(queryset: QuerySet[Tenant]) -> list[Tenant]:
    """The tenants that were chosen on the page, which has those of all servers."""
    return [tenant for _, part in on_each_server(queryset, "id") for tenant in part]
