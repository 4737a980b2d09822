"""People, service accounts and API keys in the admin: every button calls a service."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tenants.admin.asking import ask_first, read_why
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
    Role,
)
from tenants.rules.texts import clean_line
from tenants.services.accounts.api_keys import ApiKeyRefused, create_key, revoke_key, rotate_key
from tenants.services.accounts.invitations import (
    create_service_account,
    invite_user,
    send_invitation,
    show_invitation,
)
from tenants.services.accounts.mails import is_mail_configured
from tenants.services.accounts.members import name_members_then
from tenants.services.accounts.names import erase_user, rename_user
from tenants.services.accounts.people import (
    TENANT_ROLES,
    deactivate_user,
    log_out_everywhere,
    reactivate_user,
    set_role,
)
from tenants.services.accounts.teams import set_team
from tenants.services.folding import is_called

# A search looks for so many words; what is beyond belongs to the last of them.
MOST_WORDS = 8
# What a key may do.
SCOPES = {
    VIEW_LIFECYCLE: gettext_lazy("view lifecycle"),
    UPDATE_LIFECYCLE: gettext_lazy("update lifecycle"),
    VIEW_HISTORY: gettext_lazy("view history"),
    CONFIGURE_STAGES: gettext_lazy("configure stages"),
    REVEAL_CONTACTS: gettext_lazy("reveal contacts"),
    MUTE_EFFECTS: gettext_lazy("mute effects"),
    MANAGE_PEOPLE: gettext_lazy("manage people"),
}
ROLE_CHOICES = [(role.value, role.label) for role in TENANT_ROLES]


class InvitationForm(ModelForm):
    """What is needed to invite a person or to make a service account."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=150,
        help_text=gettext_lazy("The e-mail address of the person, or a name for the account."),
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=ROLE_CHOICES)

    class Meta:
        model = User
        fields = ("username", "full_name", "role", "external_subject", "is_service_account", "updates_per_hour")


class PersonForm(ModelForm):
    """What can be changed about somebody afterwards."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=ROLE_CHOICES)

    class Meta:
        model = User
        fields = ("full_name", "role", "team", "is_active")


class StatusFilter(admin.BooleanFieldListFilter):
    """Active people, or those who were deactivated."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = _("status")


@admin.register(User)
class UserAdmin(ServiceAdmin):
    """The people and service accounts of the tenant."""

    list_display = ("username", "full_name", "role", "team", "is_active", "is_service_account", "last_login")
    list_filter = ("role", ("is_active", StatusFilter), "is_service_account")
    search_fields = ("username", "full_name")
    ordering = ("username",)
    actions: Any = ("send_again", "make_invitation", "end_sessions", "erase")
    needs_tenant = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """The tenant's people; without a tenant, internal staff."""
        rows = super().get_queryset(request)
        tenant = identity_of(request).tenant
        return rows.filter(tenant_id=tenant.id) if tenant else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Those with each word in their names, whatever its case and accents."""
        for word in clean_line(search_term).split(maxsplit=MOST_WORDS - 1):
            queryset = queryset.filter(is_called(word, *self.search_fields))
        return queryset, False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Admins of the tenant."""
        return self.may_change_rows(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Admins of the tenant, of anybody but themselves: no one raises, or locks out, themselves."""
        return self.may_change_rows(request) and (obj is None or obj.pk != identity_of(request).user_id)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """One form for inviting, another for changing."""
        kwargs["form"] = PersonForm if obj else InvitationForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The fields of the form, and what else is known of the person."""
        if obj is None:
            return InvitationForm.Meta.fields
        return ("username", "full_name", "role", "team", "is_active", "is_service_account", "created_at", "last_login")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything but name, role and activity, once somebody exists."""
        if obj is None:
            return ()
        return ("username", "is_service_account", "created_at", "last_login")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Call the service that does what the form asks."""
        arguments = service_arguments(request)
        if change:
            if "full_name" in form.changed_data:
                rename_user(obj.pk, form.cleaned_data["full_name"], **arguments)
            if "role" in form.changed_data:
                set_role(obj.pk, Role(form.cleaned_data["role"]), **arguments)
            if "team" in form.changed_data:
                set_team(obj.pk, form.cleaned_data["team"], **arguments)
            if "is_active" in form.changed_data:
                (reactivate_user if form.cleaned_data["is_active"] else deactivate_user)(obj.pk, **arguments)
            return
        data = form.cleaned_data
        if data["is_service_account"]:
            made = create_service_account(
                username=data["username"],
                role=Role(data["role"]),
                updates_per_hour=data["updates_per_hour"],
                **arguments,
            )
            messages.info(request, _("The account has no password. Create an API key for it next."))
        else:
            made = invite_user(
                username=data["username"],
                full_name=data["full_name"],
                role=Role(data["role"]),
                external_subject=data["external_subject"],
                **arguments,
            )
            self._tell_of_invitation(request, made, arguments)
        obj.pk = made.pk
        obj._state.adding = False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The services keep the groups."""

    def _tell_of_invitation(self, request: HttpRequest, made: User, arguments: dict[str, Any]) -> None:
        if made.uses_provider:
            messages.info(
                request,
                _("%(name)s signs in through your company's identity provider: no link is needed.")
                % {"name": made.username},
            )
            return
        link = request.build_absolute_uri(show_invitation(made.pk, **arguments))
        if made.email and is_mail_configured():
            messages.info(
                request,
                _("An invitation is on its way to %(address)s. The same link, if it gets lost: %(link)s")
                % {"address": made.email, "link": link},
            )
        else:
            messages.info(
                request,
                _("No e-mail was sent. Send this link to %(name)s: %(link)s") % {"name": made.username, "link": link},
            )

    @admin.action(description=gettext_lazy("Show the invitation link again (this is logged)"))
    def make_invitation(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """The link for those who have not set a password yet."""
        for user in queryset:
            path = show_invitation(user.pk, **service_arguments(request))
            messages.info(request, f"{user.username}: {request.build_absolute_uri(path)}")

    @admin.action(description=gettext_lazy("Send the invitation by e-mail again"))
    def send_again(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """The same link, to those who have not set a password yet."""
        for user in queryset:
            send_invitation(user.pk, **service_arguments(request))
            messages.success(request, _("An invitation is on its way to %(address)s.") % {"address": user.email})

    @admin.action(description=gettext_lazy("End all sessions of the selected users"))
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """End sessions and tokens at once, after asking: of all of them or of none."""
        asked = ask_first(
            self,
            request,
            action="end_sessions",
            title=_("End all sessions of these users?"),
            consequence=_(
                "They have to log in again, and so do programs with tokens of theirs. API keys keep working."
            ),
            button=_("End sessions"),
            is_final=False,
            rows=[(user.pk, user.full_name or user.username, user.username) for user in queryset],
        )
        if asked is not None:
            return asked
        with transaction.atomic():
            for user in queryset:
                log_out_everywhere(user.pk, **service_arguments(request))
        count = len(queryset)
        said = ngettext("Sessions of %(count)s user ended.", "Sessions of %(count)s users ended.", count)
        messages.success(request, said % {"count": count})
        return None

    @admin.action(description=gettext_lazy("Erase the names and addresses of the selected users"))
    def erase(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Erase what names people who have left, after asking: all of them or none."""
        asked = ask_first(
            self,
            request,
            action="erase",
            title=_("Erase these users?"),
            consequence=_(
                "Their names, addresses and former names are erased. What they did stays in the history, under an id."
            ),
            button=_("Erase"),
            asks_why=True,
            rows=[(user.pk, user.full_name or user.username, user.username) for user in queryset],
        )
        if asked is not None:
            return asked
        with transaction.atomic():
            for user in queryset:
                erase_user(user.pk, reason=read_why(request), **service_arguments(request))
        count = len(queryset)
        messages.success(
            request, ngettext("%(count)s user erased.", "%(count)s users erased.", count) % {"count": count}
        )
        return None


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
    return _("Last used %(time)s UTC.") % {"time": date_format(key.last_used_at, "N j, Y, H:i")}
