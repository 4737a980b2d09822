"""Statements about one tenant, as the makers of stays and sums send them."""

from collections.abc import Iterable
from typing import Any

import orjson
from django.db import connection

from tenants.actors import TenantRef


def ask(statement: str, tenant: TenantRef, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement; ``tenant_id`` is one of its parameters. Call inside the tenant's context."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.id, **parameters})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def execute(statement: str, tenant: TenantRef, **parameters: Any) -> None:
    """As ``ask``, of a statement that gives no rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.id, **parameters})


def as_json(rows: Iterable[dict[str, Any]]) -> str:
    """Rows for ``insert_rows``."""
    return orjson.dumps(list(rows), default=str).decode()
