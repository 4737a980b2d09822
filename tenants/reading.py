"""Lists, figures and files, read from a replica of the database where there is one that may answer them."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import psycopg
from django import db
from django.http import HttpRequest, HttpResponse

from storage import replica
from storage.database.routing import is_reading_replica, is_replica_configured
from tenants.context import tenant_context

Found = TypeVar("Found")

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def read_from_replica(read: Callable[[], Found], *, tenant_id: UUID, reader: str, is_newest: bool = False) -> Found:
    """What ``read`` returns, called inside the tenant's context: on the replica, else on the primary.

    ``read`` writes nothing, and may be called twice: what the replica could not answer is read again, from the
    beginning. ``reader`` sees all that they have committed; ``is_newest``: all that anyone has. No round trip more to
    PostgreSQL, but for one to the primary about once a second in each process, and with ``is_newest``.
    """
    required = None if is_reading_replica() else replica.find_requirement(reader, is_newest=is_newest)
    if required is not None:
        try:
            with replica.reading(required), tenant_context(tenant_id):
                return read()
        except (db.Error, psycopg.Error) as error:
            if not replica.note_failure(error, required):
                raise
    if is_replica_configured() and not is_reading_replica():
        replica.reads.labels("primary").inc()
    with tenant_context(tenant_id):
        return read()


class RememberWrites:
    """Keeps in mind up to where a person has written, so that what they read next shows it (``read_from_replica``).

    For those who are logged in and send what may change something, before they get their answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and keep it in mind. Costs nothing where there is no replica."""
        if request.method in SAFE or not is_replica_configured():
            return self.get_response(request)
        before = replica.committed_at()
        response = self.get_response(request)
        committed = replica.committed_at()
        if committed != before and (user := getattr(request, "user", None)) is not None and user.pk is not None:
            replica.remember_write(str(user.pk), committed)
        return response
