"""Lists of the admin for internal staff that are over all servers, where there are several."""

from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from storage.servers import alias_on, has_servers, server_names
from tenants.admin.base import RowList, TenantAdmin
from tenants.services.directory import PLATFORM, at_home_on


def on_each_server(rows: QuerySet[Any], column: str) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Each server that this process may go to, with the same rows there, read over its platform role and without going
    to it. ``column`` names the tenant, of whom what they have left behind does not count.
    """
    for server in server_names():
        yield server, at_home_on(server, rows.using(alias_on(server, PLATFORM)), column)


def find_on_each_server(rows: QuerySet[Any], column: str, key: str) -> Model | None:
    """The row of that key, on whatever server it is; None for what is no key. A statement a server until one has it."""
    found: Iterator[Model | None] = (part.filter(pk=key).first() for _, part in on_each_server(rows, column))
    try:
        return next((row for row in found if row is not None), None)
    except (ValidationError, ValueError):
        return None


class ListOfAllServers(RowList):
    """A list whose pages are merged from those of every server; two statements a server."""

    def get_results(self, request: HttpRequest) -> None:
        """What Django's own sets, from all servers."""
        if not has_servers() or self.queryset.db.partition("@")[0] != PLATFORM:
            super().get_results(request)
            return
        model_admin: Any = self.model_admin
        parts = [part for _, part in on_each_server(self.queryset, model_admin.tenant_column)]
        self.result_count = sum(part.count() for part in parts)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.result_count <= self.list_max_show_all
        self.multi_page = self.result_count > self.list_per_page
        paginator = model_admin.get_paginator(request, range(self.result_count), self.list_per_page)
        first, end = 0, self.result_count
        if self.multi_page and not (self.show_all and self.can_show_all):
            if not 1 <= self.page_num <= paginator.num_pages:
                raise IncorrectLookupParameters
            first = (self.page_num - 1) * self.list_per_page
            end = first + self.list_per_page
        # Any server may have all of the page.
        self.result_list = _merge([list(part[:end]) for part in parts], self.queryset)[first:end]
        self.paginator = paginator


class OfAllServers(TenantAdmin):
    """What internal staff sees without a tenant is that of all servers: rows of the platform role's queryset."""

    # The column that names the tenant.
    tenant_column = "tenant_id"

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


def _merge(parts: list[list[Model]], ordered: QuerySet[Any]) -> list[Model]:
    """In the order of the list, as PostgreSQL has it: what is NULL comes after everything else."""
    rows = list(chain.from_iterable(parts))
    for name in reversed([str(one) for one in ordered.query.order_by]):
        read = attrgetter(name.lstrip("-"))
        rows.sort(key=lambda row, read=read: (read(row) is None, read(row)), reverse=name.startswith("-"))  # type: ignore[misc]
    return rows
