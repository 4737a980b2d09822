"""People and service accounts in the admin: every button calls a service."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tenants.admin.asking import ask_first, read_why
from tenants.admin.base import ModelForm, ServiceAdmin, identity_of, service_arguments
from tenants.models import User
from tenants.roles import (
    Role,
)
from tenants.rules.texts import clean_line
from tenants.services.accounts.invitations import (
    create_service_account,
    invite_user,
    send_invitation,
    show_invitation,
)
from tenants.services.accounts.mails import is_mail_configured
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

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            # What the page had shown comes back with it, so that what another admin has changed since is no change of
            # this one: correcting a name would let in again whom they have just shut out.
            field.show_hidden_initial = not self.is_bound or self.add_initial_prefix(name) in self.data


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

    def get_actions(self, request: HttpRequest) -> Any:
        """What can be done about the people of a tenant; without one, about internal staff: ending their sessions."""
        actions = super().get_actions(request)
        if identity_of(request).tenant is not None:
            return actions
        return {name: action for name, action in actions.items() if name == "end_sessions"}

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
