"""Addresses of the pages around a page, and the cursor of a history."""

from typing import Any
from uuid import UUID

from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from lifecycle.api.filters import read_limit, refuse_parameter, refuse_unknown_parameters
from lifecycle.queries.cursors import InvalidCursor, Position, decode_cursor, encode_cursor


def page_links(request: Request, next_cursor: str | None, previous_cursor: str | None) -> dict[str, Any]:
    """``next`` and ``previous``: the present address with another cursor, None where there is no such page."""
    here = request.build_absolute_uri()
    return {
        name: None if cursor is None else replace_query_param(here, "cursor", cursor)
        for name, cursor in (("next", next_cursor), ("previous", previous_cursor))
    }


def read_before(parameters: QueryDict, customer_id: UUID) -> tuple[int | None, int]:
    """Below which sequence a page of the customer's history begins, and its length. Raises RequestRefused."""
    refuse_unknown_parameters(parameters, ("cursor", "limit"))
    cursor = parameters.get("cursor")
    if not cursor:
        return None, read_limit(parameters)
    try:
        position = decode_cursor(cursor, question=_question(customer_id))
    except InvalidCursor as error:
        raise refuse_parameter("cursor", str(error)) from error
    return int(position.key), read_limit(parameters)


def encode_before(before: int | None, customer_id: UUID) -> str | None:
    """The cursor of the next page of a customer's history."""
    if before is None:
        return None
    return encode_cursor(Position(before, str(customer_id)), question=_question(customer_id))


def _question(customer_id: UUID) -> bytes:
    return b"history|" + customer_id.bytes
