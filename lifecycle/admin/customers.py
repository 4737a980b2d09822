"""Customers in the admin, to be read and searched; and their personal data, to be handed out or erased [SEC-7]."""

from typing import Any

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lifecycle.models import Customer
from lifecycle.rules.fields import COMPANY, names_of
from lifecycle.services.compliance.erasure import LONGEST_REASON, Erased, ErasureRefused, erase_customer
from lifecycle.services.compliance.exports import export_customer
from tenants.admin.base import TenantAdmin, identity_of, service_arguments
from tenants.middleware import current_request_id
from tenants.models import User
from tenants.rules.texts import clean_line
from tenants.rules.values import LONGEST_ID
from tenants.sentences.figures import say_number

COMPANY_SHOWN = tuple("owner_called" if name == "owner" else name for name in names_of(COMPANY))
SHOWN = ("external_id", *COMPANY_SHOWN, "created_at", "updated_at", "erased_at")
CONFIRM = gettext_lazy("Enter the external id again to confirm: an erasure cannot be undone. Nothing was erased.")


class PersonalDataForm(forms.Form):
    """Whose data, why, and what is to be done with them."""

    external_id = forms.CharField(
        max_length=LONGEST_ID,
        label=gettext_lazy("External id"),
        help_text=gettext_lazy(
            "The customer's id in your own systems. Also works for a customer that appears only in messages."
        ),
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        label=gettext_lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={
            "required": gettext_lazy("Enter a reason. It is kept in the administration log. Nothing was done.")
        },
        help_text=gettext_lazy("Kept in the administration log, with your name. Do not name people here."),
    )
    company = forms.BooleanField(
        required=False,
        label=gettext_lazy("Erase the company's name as well"),
        help_text=gettext_lazy("Only for an erasure."),
    )
    confirmed = forms.CharField(
        required=False,
        label=gettext_lazy("Confirm external id"),
        help_text=gettext_lazy("Only for an erasure, which cannot be undone."),
    )


@admin.register(Customer)
class CustomerAdmin(TenantAdmin):
    """The tenant's customers. The search finds no one who was erased, the list shows that they were."""

    list_display = ("name", "external_id", "owner_called", "erased_at")
    ordering = ("name_key", "id")
    search_fields = ("name", "external_id")
    fields = SHOWN
    search_help_text = gettext_lazy("Part of a name or an external id, or a contact's whole e-mail address.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what their owners are called."""
        called = User.objects.filter(
            tenant_id=OuterRef("tenant_id"), username=OuterRef("owner_key"), is_service_account=False, full_name__gt=""
        )
        namesakes = User.objects.filter(tenant_id=OuterRef("tenant_id"), full_name=OuterRef("owner_name"))
        named: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(owner_name=Subquery(called.values("full_name")[:1]))
            .annotate(owner_has_namesake=Exists(namesakes.exclude(username=OuterRef("owner_key"))))
        )
        return named

    @admin.display(description=gettext_lazy("owner"), ordering="owner_key")
    def owner_called(self, customer: Any) -> str:
        """Who looks after the customer, by name where they have an account; as ``name_accounts`` calls them."""
        if customer.owner_name and customer.owner_has_namesake:
            return f"{customer.owner_name} ({customer.owner})"
        return str(customer.owner_name or customer.owner)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the same search as the pages."""
        if not search_term.strip():
            return queryset, False
        tenant = identity_of(request).tenant
        found: QuerySet[Any] = queryset.matching(search_term, tenant.id if tenant else None)  # type: ignore[attr-defined]
        return found, False

    def get_urls(self) -> list[Any]:
        """The page about personal data, before Django's own."""
        view = self.admin_site.admin_view(self.personal_data_view)
        return [path("personal-data", view, name="personal_data"), *super().get_urls()]

    def personal_data_view(self, request: HttpRequest) -> HttpResponse:
        """Hand out or erase a customer's personal data, with a reason."""
        if not self.has_view_permission(request) or identity_of(request).tenant is None:
            raise PermissionDenied(_("Choose the tenant whose customer's data you want to export or erase."))
        form = PersonalDataForm(
            request.POST or None, initial={"external_id": request.GET.get("external_id", "").replace("\x00", "")}
        )
        if request.method == "POST" and form.is_valid():
            try:
                return self._export(request, form) if "export" in request.POST else self._erase(request, form)
            except ErasureRefused as refusal:
                form.add_error("reason" if refusal.code == "reason_required" else "external_id", refusal.sentence)
            except forms.ValidationError as error:
                form.add_error("confirmed", error)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Export or erase personal data"),
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "admin/lifecycle/customer/personal_data.html", context)

    def _export(self, request: HttpRequest, form: PersonalDataForm) -> HttpResponse:
        """A file of JSON. Nothing of it is kept."""
        exported = export_customer(
            form.cleaned_data["external_id"],
            reason=form.cleaned_data["reason"],
            request_id=current_request_id(),
            **service_arguments(request),
        )
        body = orjson.dumps(exported, default=str, option=orjson.OPT_INDENT_2)
        headers = {"Content-Disposition": 'attachment; filename="customer.json"', "Cache-Control": "no-store"}
        return HttpResponse(body, content_type="application/json", headers=headers)

    def _erase(self, request: HttpRequest, form: PersonalDataForm) -> HttpResponse:
        """Erase, and say what was destroyed."""
        asked = form.cleaned_data
        if clean_line(asked["confirmed"]) != clean_line(asked["external_id"]):
            raise forms.ValidationError(CONFIRM)
        erased = erase_customer(
            asked["external_id"],
            reason=asked["reason"],
            company=asked["company"],
            request_id=current_request_id(),
            **service_arguments(request),
        )
        messages.success(request, describe_erasure(erased))
        if erased.uploads:
            messages.warning(
                request,
                ngettext(
                    "%(count)s uploaded file is destroyed, because it may name the person: what was not imported is to"
                    " be uploaded again.",
                    "%(count)s uploaded files are destroyed, because they may name the person: what was not imported"
                    " is to be uploaded again.",
                    erased.uploads,
                )
                % {"count": say_number(erased.uploads)},
            )
        if erased.unreadable:
            messages.warning(
                request,
                ngettext(
                    "%(count)s message could not be looked into, because its master key is missing or it was altered:"
                    " ask the operator to restore the key, and erase again.",
                    "%(count)s messages could not be looked into, because their master key is missing or they were"
                    " altered: ask the operator to restore the key, and erase again.",
                    erased.unreadable,
                )
                % {"count": say_number(erased.unreadable)},
            )
        return HttpResponseRedirect(reverse("admin:lifecycle_customer_changelist"))


def describe_erasure(erased: Erased) -> str:
    """What was destroyed, in a sentence."""
    parts = [
        ngettext("%(count)s contact", "%(count)s contacts", erased.contacts) % {"count": say_number(erased.contacts)},
        ngettext("%(count)s message", "%(count)s messages", erased.messages) % {"count": say_number(erased.messages)},
        ngettext("%(count)s kept answer", "%(count)s kept answers", erased.answers)
        % {"count": say_number(erased.answers)},
    ]
    said = [_("Erased.")]
    if erased.key_destroyed:
        said.append(_("Its data key is destroyed; notes can no longer be read."))
    said.append(_("Deleted: %(parts)s.") % {"parts": _(", ").join(parts)})
    if erased.company:
        said.append(_("The company's name is erased as well."))
    return " ".join(said)
