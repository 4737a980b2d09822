"""API keys in the admin: every button calls a service."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tenants.admin.asking import ask_first
from tenants.admin.base import ModelForm, ServiceAdmin, identity_of, service_arguments
from tenants.models import ApiKey, User
from tenants.roles import (
    CONFIGURE_STAGES,
    MANAGE_PEOPLE,
    MUTE_EFFECTS,
    REVEAL_CONTACTS,
    UPDATE_LIFECYCLE,
    VIEW_HISTORY,
    VIEW_LIFECYCLE,
)
from tenants.sentences.figures import say_minute
from tenants.services.accounts.api_keys import ApiKeyRefused, create_key, revoke_key, rotate_key
from tenants.services.accounts.members import name_members_then

# What a key may do.
SCOPES = {
    VIEW_LIFECYCLE: gettext_lazy("view lifecycle"),
    UPDATE_LIFECYCLE: gettext_lazy("update lifecycle"),
    VIEW_HISTORY: gettext_lazy("view history"),
    CONFIGURE_STAGES: gettext_lazy("configure stages"),
    REVEAL_CONTACTS: gettext_lazy("reveal contacts"),
    MUTE_EFFECTS: gettext_lazy("mute automations"),
    MANAGE_PEOPLE: gettext_lazy("manage people"),
}


class ApiKeyForm(ModelForm):
    """A new key: for which account, what it may do, until when."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"), choices=list(SCOPES.items()), widget=forms.CheckboxSelectMultiple
    )
    valid_days = forms.IntegerField(
        label=gettext_lazy("Expires after (days)"),
        min_value=1,
        max_value=365,
        initial=90,
        help_text=gettext_lazy("At most 365."),
    )

    class Meta:
        model = ApiKey
        fields = ("user", "name", "scopes")


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    """The API keys of the tenant's service accounts. A secret is shown once, when the key is made."""

    refusals = (ApiKeyRefused,)
    list_display = ("name", "user", "shown_scopes", "expires_at", "last_used_at", "revoked_at", "created_at")
    list_select_related = ("user",)
    ordering = ("-created_at",)
    actions: Any = ("revoke", "rotate")
    form = ApiKeyForm
    readonly_fields = ("maker", "shown_scopes")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Admins of the tenant."""
        return self.may_change_rows(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form for a new key; the facts of an old one."""
        if obj is None:
            return ("user", "name", "scopes", "valid_days")
        return ("user", "name", "shown_scopes", "created_at", "maker", "expires_at", "last_used_at", "revoked_at")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """One key, and what its maker was called then."""
        key = super().get_object(request, object_id, from_field)
        tenant = identity_of(request).tenant
        if key is not None and tenant is not None:
            made = (key.created_by, key.created_at)
            key.maker_then = name_members_then([made], tenant=tenant)[made]
        return key

    @admin.display(description=gettext_lazy("scopes"))
    def shown_scopes(self, key: ApiKey) -> str:
        """What the key may do, in words."""
        return _(", ").join(str(SCOPES.get(scope, scope)) for scope in key.scopes)

    @admin.display(description=gettext_lazy("created by"))
    def maker(self, key: Any) -> str:
        """Who made the key."""
        name: str = key.maker_then
        return name

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the tenant's service accounts."""
        if db_field.name == "user":
            tenant = identity_of(request).tenant
            kwargs["queryset"] = User.objects.filter(
                tenant=tenant.id if tenant else None, is_service_account=True, is_active=True
            ).order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Make the key and show its secret, this once."""
        data = form.cleaned_data
        new = create_key(
            account=data["user"],
            name=data["name"],
            scopes=data["scopes"],
            expires_at=timezone.now() + dt.timedelta(days=data["valid_days"]),
            **service_arguments(request),
        )
        obj.pk = new.key.pk
        obj._state.adding = False
        messages.warning(request, _("Copy the key now. It is not shown again: %(key)s") % {"key": new.secret})

    @admin.action(description=gettext_lazy("Revoke the selected keys"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """End keys at once, after asking."""
        title = ngettext("Revoke %(count)s key?", "Revoke %(count)s keys?", len(queryset))
        consequence = _("The next request with a revoked key is refused.")
        if asked := self._ask(request, queryset, "revoke", title, _("Revoke"), consequence):
            return asked
        for key in queryset:
            revoke_key(key.pk, **service_arguments(request))
        count = len(queryset)
        said = ngettext("%(count)s key revoked.", "%(count)s keys revoked.", count) % {"count": count}
        messages.success(request, f"{said} {consequence}")
        return None

    @admin.action(description=gettext_lazy("Rotate the selected keys (shows the new secrets once)"))
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Replace keys by new ones, after asking."""
        title = ngettext("Rotate %(count)s key?", "Rotate %(count)s keys?", len(queryset))
        consequence = _("The new secrets are shown once. The next request with an old one is refused.")
        if asked := self._ask(request, queryset, "rotate", title, _("Rotate"), consequence):
            return asked
        for key in queryset:
            new = rotate_key(key.pk, **service_arguments(request))
            said = _("%(name)s: copy the new key now, it is not shown again: %(key)s")
            messages.warning(request, said % {"name": key.name, "key": new.secret})
        return None

    def _ask(
        self, request: HttpRequest, queryset: QuerySet[ApiKey], action: str, title: str, verb: str, consequence: str
    ) -> HttpResponse | None:
        """Which keys are in use by whom, before they end; None when the caller has seen that."""
        return ask_first(
            self,
            request,
            action=action,
            title=title % {"count": len(queryset)},
            consequence=consequence,
            button=verb,
            rows=[
                (key.pk, _("%(key)s, of %(user)s") % {"key": key.name, "user": key.user}, _describe_use(key))
                for key in queryset
            ],
        )


def _describe_use(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return _("Revoked already.")
    if not key.last_used_at:
        return _("Never used.")
    return _("Last used %(time)s UTC.") % {"time": say_minute(key.last_used_at)}
