"""Pages of a list: where one begins, and what is around its rows. Every list of the API has the same."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from lifecycle.api.filters import COUNT, read_count, read_limit, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.queries.cursors import InvalidCursor, Position, decode_cursor, encode_cursor

# The parameters of every list.
PAGING: Final = ("cursor", "limit", COUNT)
TOTAL_HELP: Final = "How many rows the list has on all its pages; null unless it was asked for with `count=true`."


class PageResponse(ResponseSerializer):
    """What is around the rows of a page."""

    next = serializers.URLField(allow_null=True, help_text="The address of the next page.")
    previous = serializers.URLField(allow_null=True, help_text="The address of the previous page.")
    next_cursor = serializers.CharField(
        allow_null=True, help_text="`cursor` of the next page; null: this is the last one."
    )
    total = serializers.IntegerField(allow_null=True, help_text=TOTAL_HELP)


def surround(
    request: Request, next_cursor: str | None, previous_cursor: str | None = None, *, count: Callable[[], int]
) -> dict[str, Any]:
    """The keys of PageResponse. ``count`` is called if the request asks how many there are. Raises RequestRefused."""
    here = request.build_absolute_uri()
    links: dict[str, Any] = {
        name: None if cursor is None else replace_query_param(here, "cursor", cursor)
        for name, cursor in (("next", next_cursor), ("previous", previous_cursor))
    }
    wanted = read_count(request.query_params)
    return {**links, "next_cursor": next_cursor, "total": count() if wanted else None}


def read_position(parameters: QueryDict, question: bytes) -> Position | None:
    """Where the cursor says that the page begins, None without one. Raises RequestRefused."""
    cursor = parameters.get("cursor")
    if not cursor:
        return None
    try:
        return decode_cursor(cursor, question=question)
    except InvalidCursor as error:
        raise refuse_parameter("cursor", str(error)) from error


def read_before_id(parameters: QueryDict, question: bytes) -> UUID | None:
    """Below which id the page begins, where the latest id comes first. Raises RequestRefused."""
    position = read_position(parameters, question)
    return UUID(position.id) if position else None


def encode_before_id(last: UUID | None, question: bytes) -> str | None:
    """The cursor of the page behind the row with this id; None: there is no such page."""
    return encode_cursor(Position(str(last), str(last)), question=question) if last else None


def read_before(parameters: QueryDict, customer_id: UUID) -> tuple[int | None, int]:
    """Below which sequence a page of the customer's history begins, and its length. Raises RequestRefused."""
    refuse_unknown_parameters(parameters, PAGING)
    position = read_position(parameters, _question(customer_id))
    return int(position.key) if position else None, read_limit(parameters)


def encode_before(before: int | None, customer_id: UUID) -> str | None:
    """The cursor of the next page of a customer's history."""
    if before is None:
        return None
    return encode_cursor(Position(before, str(customer_id)), question=_question(customer_id))


def _question(customer_id: UUID) -> bytes:
    return b"history|" + customer_id.bytes
