"""Names beside the ids that the audit trail keeps: customers and people, with links, for a page of rows at a time.

Each row shows what they were called when it happened; the link leads to what they are now.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.services.former_names import Then, find_formerly_called, find_names_then
from lifecycle.models import Customer
from lifecycle.queries.customers import ExternalIdKey
from tenants.actors import TenantRef
from tenants.admin.base import TenantAdmin, identity_of
from tenants.models import ApiKey, ConfigurationVersion, User
from tenants.rules.texts import normalize_text
from tenants.rules.values import sort_key
from tenants.services.accounts.members import name_members_then, name_process
from tenants.services.directory import PLATFORM
from tenants.services.folding import is_called

MOST_FOUND = 500
_SYSTEM = "system:"


@dataclass(slots=True)
class Names:
    """What is known of the ids on one page: the names of today, and ``former``, those that were replaced later."""

    customers: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    former: Mapping[Then, str] = field(default_factory=dict)

    def of_customer(self, id_: str, at: dt.datetime) -> str | None:
        """What the customer was called then; None if there is no such customer."""
        return self._then(self.customers.get(id_), id_, at)

    def of_person(self, id_: str, at: dt.datetime) -> str | None:
        """What the person was called then; None if there is no such person."""
        return self._then(self.people.get(id_), id_, at)

    def _then(self, today: str | None, id_: str, at: dt.datetime) -> str | None:
        return None if today is None else self.former.get((UUID(id_), at), today)


class NamedAdmin(TenantAdmin):
    """Rows of the audit trail whose ids are shown as names. A fixed number of statements a page."""

    customer_field: ClassVar[str] = "customer_id"
    person_field: ClassVar[str] = ""
    # When the row was written, by the clock that names are kept by.
    time_field: ClassVar[str] = "recorded_at"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page with the names of all its rows."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        self._attach_names(rows, request)
        changelist.result_list = rows
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """One row with its names."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self._attach_names([row], request)
        return row

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The page of one row, which is called by names."""
        context["subtitle"] = unescape(strip_tags(self.entitle(context["original"])))
        return super().render_change_form(request, context, *args, **kwargs)

    def entitle(self, row: Any) -> str:
        """What the page of a row is called, as HTML."""
        raise NotImplementedError

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything: it is the record."""
        return self.fields or ()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Rows about the customers, and by the people, of that name; or of that id."""
        text = " ".join(normalize_text(search_term).split())
        if not text:
            return queryset, False
        tenant = identity_of(request).tenant
        if tenant is None:
            return queryset.none(), False
        formerly = find_formerly_called(sort_key(text), most=2 * MOST_FOUND)
        customers, people = _find_customers(text, formerly), _find_people(text, formerly)
        wanted = Q(**{f"{self.person_field}__in": people})
        if self.customer_field == "customer_id":
            wanted |= Q(customer_id__in=customers)
        else:
            wanted |= Q(**{f"{self.customer_field}__in": [*map(str, customers), *people, text]})
        return queryset.filter(wanted), False

    @admin.display(description=gettext_lazy("Customer"))
    def customer(self, row: Any) -> SafeString | str:
        """The customer's name, with a link to its page."""
        return name_customer(row, row.customer_id)

    def _attach_names(self, rows: Sequence[Any], request: HttpRequest) -> None:
        tenant = identity_of(request).tenant
        fields = (self.customer_field, self.person_field, "on_behalf_of")
        names = Names()
        wanted: set[Then] = set()
        for row in rows:
            row.names, row.happened_at = names, getattr(row, self.time_field)
            found = (_as_uuid(str(getattr(row, name, None))) for name in fields)
            wanted |= {(id_, row.happened_at) for id_ in found if id_ is not None}
        if tenant is not None and wanted:
            _fill(names, wanted, tenant.id)
        elif wanted:
            staff = User.objects.using(PLATFORM).filter(tenant_id__isnull=True, id__in={id_ for id_, _ in wanted})
            names.people = {str(id_): username for id_, username in staff.values_list("id", "username")}


def _fill(names: Names, wanted: set[Then], tenant_id: UUID) -> None:
    """Look all of them up. Five statements."""
    ids = {id_ for id_, _ in wanted}
    customers = Customer.objects.filter(id__in=ids).values_list("id", "name")
    names.customers = {str(id_): name for id_, name in customers}
    people = User.objects.filter(id__in=ids).values_list("id", "full_name", "username")
    names.people = {str(id_): full_name or username for id_, full_name, username in people}
    versions = ConfigurationVersion.objects.filter(id__in=ids).values_list("id", "number")
    names.versions = {
        str(id_): _("Configuration version %(number)s") % {"number": number} if number else _("Configuration draft")
        for id_, number in versions
    }
    keys = ApiKey.objects.filter(id__in=ids).values_list("id", "name")
    names.keys = {str(id_): _("API key %(name)s") % {"name": name} for id_, name in keys}
    names.former = find_names_then(wanted, tenant_id=tenant_id)


def name_customer(row: Any, customer_id: UUID | str | None) -> SafeString | str:
    """The customer's name as a link to its page."""
    if not customer_id:
        return "–"
    names: Names = row.names
    name = names.of_customer(str(customer_id), row.happened_at)
    if name is None:
        return str(customer_id)
    return format_html('<a href="{}">{}</a>', reverse("customer-page", args=[customer_id]), name)


def name_person(row: Any, name: str) -> SafeString | str:
    """Who it was, as a link to them; a process by its name."""
    id_ = str(getattr(row, name))
    if id_.startswith(_SYSTEM):
        return name_process(id_)
    person = row.names.of_person(id_, row.happened_at)
    if person is None:
        return _("Internal staff") if _as_uuid(id_) is not None else id_
    return format_html('<a href="{}">{}</a>', reverse("admin:tenants_user_change", args=[id_]), person)


def name_for_staff(id_: str, at: dt.datetime, tenant: TenantRef | None) -> str:
    """Who it was, for internal staff, who know each other by username; a process by its name. Two statements."""
    person = _as_uuid(id_)
    if person is not None:
        staff = User.objects.using(PLATFORM).filter(tenant_id__isnull=True, id=person)
        if (username := staff.values_list("username", flat=True).first()) is not None:
            return username
    if tenant is not None:
        return name_members_then([(id_, at)], tenant=tenant)[id_, at]
    return name_process(id_) if id_.startswith(_SYSTEM) else id_


def name_subject(row: Any) -> SafeString | str:
    """What an administrative action was about: a customer, a person, a version, a key, or what it is called."""
    id_, names = str(row.subject), row.names
    if id_ in names.customers:
        return name_customer(row, id_)
    if id_ in names.people:
        return name_person(row, "subject")
    if id_ in names.versions:
        address = reverse("admin:tenants_configurationversion_change", args=[id_])
        return format_html('<a href="{}">{}</a>', address, names.versions[id_])
    if id_ in names.keys:
        return format_html('<a href="{}">{}</a>', reverse("admin:tenants_apikey_change", args=[id_]), names.keys[id_])
    return id_ or "–"


def _find_customers(text: str, formerly: Collection[UUID]) -> list[UUID]:
    exact = _as_uuid(text)
    key = sort_key(text).strip()
    # Accents alone are in every name.
    called = Q(name_key__contains=key) | ExternalIdKey.has(text) if key else Q(pk__in=())
    wanted = called | Q(id__in=formerly)
    # As everywhere, an erased customer is found by its id alone.
    rows = Customer.objects.filter(wanted, erased_at__isnull=True)
    found = list(rows.values_list("id", flat=True)[:MOST_FOUND])
    return [*found, exact] if exact is not None else found


def _find_people(text: str, formerly: Collection[UUID]) -> list[str]:
    wanted = is_called(text, "full_name", "username") | Q(id__in=formerly)
    found = User.objects.filter(wanted).values_list("id", flat=True)[:MOST_FOUND]
    exact = _as_uuid(text)
    return [*map(str, found), *([str(exact)] if exact is not None else [])]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
