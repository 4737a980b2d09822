"""Lists of the admin for internal staff that are over all servers, where there are several."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from storage.servers import alias_on, has_servers, server_names
from tenants.admin.base import RowList, TenantAdmin
from tenants.sentences.figures import say_number
from tenants.services.directory import PLATFORM, at_home_on

# So far the pages of such a list go: of every server the keys of all pages before are read.
MOST_ROWS: Final = 20_000


def on_each_server(rows: QuerySet[Any], column: str) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Each server that this process may go to, with the same rows there, read over its platform role and without going
    to it. ``column`` names the tenant, of whom what they have left behind does not count.
    """
    for server in server_names():
        yield server, at_home_on(server, rows.using(alias_on(server, PLATFORM)), column)


def find_on_each_server(rows: QuerySet[Any], column: str, key: str) -> Model | None:
    """The row of that key, on whatever server it is; None for what is no key. A statement a server until one has it."""
    found: Iterator[Model | None] = (part.filter(pk=key).first() for _server, part in on_each_server(rows, column))
    try:
        return next((row for row in found if row is not None), None)
    except (ValidationError, ValueError):
        return None


class ListOfAllServers(RowList):
    """A list whose pages are merged from those of every server; three statements a server."""

    def get_results(self, request: HttpRequest) -> None:
        """What Django's own sets, from all servers."""
        model_admin: Any = self.model_admin
        self.queryset = self.queryset.defer(*model_admin.unlisted)
        if not has_servers() or self.queryset.db.partition("@")[0] != PLATFORM:
            super().get_results(request)
            return
        parts = [part for _server, part in on_each_server(self.queryset, model_admin.tenant_column)]
        self.result_count = sum(part.count() for part in parts)
        self.full_result_count = None
        self.show_full_result_count = False
        # Django would count beside each filter what main has.
        self.add_facets = self.is_facets_optional = False
        self.show_admin_actions = True
        self.can_show_all = self.result_count <= self.list_max_show_all
        self.multi_page = self.result_count > self.list_per_page
        paginator = model_admin.get_paginator(request, range(min(self.result_count, MOST_ROWS)), self.list_per_page)
        first, end = 0, self.result_count
        if self.multi_page and not (self.show_all and self.can_show_all):
            if not 1 <= self.page_num <= paginator.num_pages:
                raise IncorrectLookupParameters
            first = (self.page_num - 1) * self.list_per_page
            end = first + self.list_per_page
        if self.result_count > MOST_ROWS and self.page_num == paginator.num_pages:
            said = _("The list ends here, after %(count)s rows. Filter it, or search, to see others.")
            messages.info(request, said % {"count": say_number(MOST_ROWS)})
        self.result_list = _merge(parts, self.queryset, first, min(end, MOST_ROWS))
        self.paginator = paginator


class OfAllServers(TenantAdmin):
    """What internal staff sees without a tenant is that of all servers: rows of the platform role's queryset."""

    # The column that names the tenant.
    tenant_column = "tenant_id"
    # Columns that no list reads: they may be large.
    unlisted: tuple[str, ...] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list of all servers."""
        return ListOfAllServers

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, on whatever server it is."""
        found = super().get_object(request, object_id, from_field)
        rows = self.get_queryset(request)
        if found is not None or rows.db != PLATFORM:
            return found
        return find_on_each_server(rows, self.tenant_column, object_id)


class ValuesOfAllServers(admin.AllValuesFieldListFilter):
    """A filter of such a list, by the values that there are on any server."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: type[Model], model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        values: QuerySet[Any] = self.lookup_choices
        if has_servers() and values.db.partition("@")[0] == PLATFORM:
            parts = on_each_server(values, model_admin.tenant_column)
            found = set(chain.from_iterable(part for _server, part in parts))
            self.lookup_choices: Any = sorted(found, key=lambda value: (value is None, value))


def _merge(parts: list[QuerySet[Any]], ordered: QuerySet[Any], first: int, end: int) -> list[Model]:
    """A page in the order of the list, as PostgreSQL has it: what is NULL comes after everything else.

    Any server may have all of the page and of those before it, so of each that many keys are read, and the rows of the
    page alone.
    """
    names = [str(one) for one in ordered.query.order_by]
    columns = list(dict.fromkeys(name.lstrip("-") for name in names))
    found = [
        (number, *values) for number, part in enumerate(parts) for values in part.values_list("pk", *columns)[:end]
    ]
    for name in reversed(names):
        column = columns.index(name.lstrip("-")) + 2
        found.sort(key=lambda row, column=column: (row[column] is None, row[column]), reverse=name.startswith("-"))  # type: ignore[misc]
    page = [(number, key) for number, key, *_values in found[first:end]]
    rows: dict[tuple[int, Any], Model] = {}
    for number, part in enumerate(parts):
        if keys := [key for owner, key in page if owner == number]:
            rows |= {(number, row.pk): row for row in part.filter(pk__in=keys)}
    return [rows[place] for place in page if place in rows]
