"""Names beside the ids that the audit trail keeps: customers and people, with links, for a page of rows at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lifecycle.models import Customer
from tenants.admin.base import TenantAdmin, identity_of
from tenants.models import ApiKey, ConfigurationVersion, User
from tenants.rules.texts import fold_text, normalize_text
from tenants.rules.values import sort_key
from tenants.services.accounts.members import name_process

MOST_FOUND = 500
_SYSTEM = "system:"


@dataclass(slots=True)
class Names:
    """What is known of the ids on one page. ``is_of_tenant``: customers can be opened from here."""

    is_of_tenant: bool = False
    customers: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


class NamedAdmin(TenantAdmin):
    """Rows of the audit trail whose ids are shown as names. A fixed number of statements a page."""

    customer_field: ClassVar[str] = "customer_id"
    person_field: ClassVar[str] = ""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page with the names of all its rows."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        attach_names(rows, self._ids(rows), request)
        changelist.result_list = rows
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """One row with its names."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            attach_names([row], self._ids([row]), request)
        return row

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything: it is the record."""
        return self.fields or ()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Rows about the customers, and by the people, of that name; or of that id."""
        text = " ".join(normalize_text(search_term).split())
        if not text:
            return queryset, False
        customers = _find_customers(text, queryset.db)
        people = _find_people(text, queryset.db)
        wanted = Q(**{f"{self.person_field}__in": people})
        if self.customer_field == "customer_id":
            wanted |= Q(customer_id__in=customers)
        else:
            wanted |= Q(**{f"{self.customer_field}__in": [*map(str, customers), *people, text]})
        return queryset.filter(wanted), False

    @admin.display(description="Customer")
    def customer(self, row: Any) -> SafeString | str:
        """The customer's name, with a link to its page."""
        return name_customer(row, row.customer_id)

    def _ids(self, rows: Iterable[Any]) -> set[str]:
        names = (self.customer_field, self.person_field, "on_behalf_of")
        return {str(value) for row in rows for name in names if (value := getattr(row, name, None))}


def attach_names(rows: Sequence[Any], ids: set[str], request: HttpRequest) -> None:
    """Give each row the names of all ids: ``name_customer`` and the like read them. Four statements."""
    uuids = [found for one in ids if (found := _as_uuid(one)) is not None]
    names = Names(is_of_tenant=identity_of(request).tenant is not None)
    if rows and uuids:
        using = rows[0]._state.db
        customers = Customer.objects.using(using).filter(id__in=uuids).values_list("id", "name")
        names.customers = {str(id_): name for id_, name in customers}
        people = User.objects.using(using).filter(id__in=uuids)
        names.people = {
            str(id_): full_name or username
            for id_, full_name, username in people.values_list("id", "full_name", "username")
        }
        versions = ConfigurationVersion.objects.using(using).filter(id__in=uuids)
        names.versions = {
            str(id_): f"Configuration version {number}" if number else "Configuration draft"
            for id_, number in versions.values_list("id", "number")
        }
        keys = ApiKey.objects.using(using).filter(id__in=uuids).values_list("id", "name")
        names.keys = {str(id_): f"API key {name}" for id_, name in keys}
    for row in rows:
        row.names = names


def name_customer(row: Any, customer_id: UUID | str | None) -> SafeString | str:
    """The customer's name as a link to its page."""
    if not customer_id:
        return "–"
    names: Names = row.names
    name = names.customers.get(str(customer_id))
    if name is None:
        return str(customer_id)
    if not names.is_of_tenant:
        return name
    return format_html('<a href="{}">{}</a>', reverse("customer-page", args=[customer_id]), name)


def name_person(row: Any, name: str) -> SafeString | str:
    """Who it was, as a link to them; a process by its name."""
    id_ = str(getattr(row, name))
    if id_.startswith(_SYSTEM):
        return name_process(id_)
    person = row.names.people.get(id_)
    if person is None:
        return "Internal staff" if _as_uuid(id_) is not None else id_
    return format_html('<a href="{}">{}</a>', reverse("admin:tenants_user_change", args=[id_]), person)


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


def _find_customers(text: str, using: str) -> list[UUID]:
    exact = _as_uuid(text)
    wanted = Q(name_key__contains=sort_key(text)) | Q(external_id__istartswith=text)
    # As everywhere, an erased customer is found by its id alone.
    rows = Customer.objects.using(using).filter(wanted, erased_at__isnull=True)
    found = list(rows.values_list("id", flat=True)[:MOST_FOUND])
    return [*found, exact] if exact is not None else found


def _find_people(text: str, using: str) -> list[str]:
    wanted = Q(full_name__icontains=text) | Q(username__contains=fold_text(text))
    found = User.objects.using(using).filter(wanted).values_list("id", flat=True)[:MOST_FOUND]
    exact = _as_uuid(text)
    return [*map(str, found), *([str(exact)] if exact is not None else [])]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
