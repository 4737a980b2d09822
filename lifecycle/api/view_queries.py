"""What a saved view says as the API has it: the query of the list's address, its columns apart, and who may see it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from lifecycle.api.filters import COLUMNS, COUNT, read_columns, read_list_query
from lifecycle.api.paging import PageResponse
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.models import SavedView
from lifecycle.queries.list_columns import COLUMN_OF
from lifecycle.services.lists.saved_views import LONGEST_NAME, LONGEST_QUERY, NOT_KEPT, may_change
from tenants.actors import TenantRef
from tenants.api.serializers import StrictSerializer, TextField
from tenants.refusals import RequestRefused
from tenants.rules.configuration.policy import Policy

PERSONAL, TEAM, LOCKED = "personal", "team", "locked"
# Scope -> whether it is shared and locked.
SCOPES: Final[Mapping[str, tuple[bool, bool]]] = {PERSONAL: (False, False), TEAM: (True, False), LOCKED: (True, True)}
# What belongs to one reading of the list, and not to the view.
OF_ONE_READING: Final = frozenset({*NOT_KEPT, "limit", "as_of", "known", COUNT})
NAME_HELP: Final = "One line, unique among the owner's views."
QUERY_HELP: Final = (
    "The filters and the order as the address of `GET /customers` has them: `category=risk&ordering=-arr`. No search,"
    " which is personal data, no place in the list, and one stage; several are `where=stage:Onboarded,Active`."
)
COLUMNS_HELP: Final = (
    "The columns of the list, in their order; a column may be named by any of its fields. Empty: the usual ones."
)
SCOPE_HELP: Final = (
    "personal: only the owner sees it. team: everyone in the tenant sees it, and its owner and admins change it; it"
    " needs the permission update_lifecycle. locked: only admins change it; it needs configure_stages."
)


class SavedViewChangeSerializer(StrictSerializer):
    """``PATCH /views/{id}``: what is not given stays."""

    name = TextField(max_length=LONGEST_NAME, required=False, allow_blank=True, help_text=NAME_HELP)
    query = TextField(max_length=LONGEST_QUERY, required=False, allow_blank=True, help_text=QUERY_HELP)
    columns = serializers.ListField(
        child=serializers.ChoiceField(choices=tuple(COLUMN_OF)),
        max_length=len(COLUMN_OF),
        required=False,
        help_text=COLUMNS_HELP,
    )
    scope = serializers.ChoiceField(choices=tuple(SCOPES), required=False, help_text=SCOPE_HELP)


class SavedViewSerializer(SavedViewChangeSerializer):
    """``POST /views``. Without a scope it is personal."""

    name = TextField(max_length=LONGEST_NAME, allow_blank=True, help_text=NAME_HELP)


class SavedViewResponse(ResponseSerializer):
    """A view of the customer list."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True, help_text="Filters and order, as an address has them.")
    columns = serializers.ListField(child=serializers.CharField(), help_text="Empty: the usual ones.")
    scope = serializers.ChoiceField(choices=tuple(SCOPES))
    owner = serializers.UUIDField(help_text="The user who made it.")
    may_change = serializers.BooleanField(help_text="Whether the caller may change and delete it.")
    version = serializers.IntegerField(help_text="Rises with each change; also the ETag.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


@extend_schema_serializer(many=False)
class SavedViewPageResponse(PageResponse):
    """A page of views, by name."""

    results = SavedViewResponse(many=True)


def describe_view(view: SavedView, user_id: Any, *, is_admin: bool) -> dict[str, Any]:
    """The view as the caller sees it."""
    query, columns = split_query(view.query)
    return {
        "id": view.id,
        "name": view.name,
        "query": query,
        "columns": columns,
        "scope": LOCKED if view.is_locked else TEAM if view.is_shared else PERSONAL,
        "owner": view.owner_id,
        "may_change": may_change(view, user_id, is_admin=is_admin),
        "version": view.version,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }


def read_query(query: str, *, tenant: TenantRef, policy: Policy) -> tuple[str, Sequence[str] | None]:
    """The filters and the order of a view, and the columns that stand among them (None: none do).

    Raises RequestRefused for a parameter that the list does not have, or that no view keeps.
    """
    try:
        asked = QueryDict(query.removeprefix("?"), mutable=True)
    except (TooManyFieldsSent, RequestDataTooBig) as error:
        raise _refuse([_("The query has too many parts.")]) from error
    unkept = sorted(OF_ONE_READING & asked.keys())
    if unkept:
        raise _refuse([_("No view keeps the parameter “%(name)s”: leave it out.") % {"name": name} for name in unkept])
    if len(asked.getlist("stage")) > 1:
        raise _refuse([_("A view has one stage; several are a condition: where=stage:Onboarded,Active.")])
    try:
        read_list_query(asked, tenant=tenant, policy=policy)
        columns = read_columns(asked)
    except RequestRefused as refused:
        raise _refuse([error["detail"] for error in refused.errors] or [refused.sentence]) from refused
    filters = urlencode([(name, str(value)) for name, value in asked.items() if value and name != COLUMNS])
    return filters, None if columns is None else [column.name for column in columns]


def join_query(filters: str, columns: Sequence[str]) -> str:
    """Both together, as a view keeps them."""
    names = ",".join(dict.fromkeys(COLUMN_OF[name].name for name in columns))
    return "&".join(part for part in (filters, urlencode({COLUMNS: names}) if names else "") if part)


def split_query(kept: str) -> tuple[str, Sequence[str]]:
    """What ``join_query`` has put together; names of columns that there are no more are left out."""
    asked = QueryDict(kept, mutable=True)
    columns = asked.pop(COLUMNS, [""])[-1].split(",")
    return asked.urlencode(), [name for name in columns if name in COLUMN_OF]


def _refuse(details: Sequence[str]) -> RequestRefused:
    sentence = f"{details[0]} {_('Nothing was saved.')}"
    errors = [{"pointer": "#/query", "detail": detail, "code": "invalid_parameter"} for detail in details[:20]]
    return RequestRefused("invalid_request", sentence, errors=errors)
