"""Probes for a container: alive (the process answers) and ready (it can do its work).

The web process answers both on its event loop (``config.serving``), by the same functions.
"""

import structlog
from django import db
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from config.outages import find_outage

ALIVE, READY = "alive\n", "ready\n"

log = structlog.get_logger(__name__)


@transaction.non_atomic_requests
def alive(_: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; asks nothing of anyone."""
    return HttpResponse(ALIVE, content_type="text/plain")


@transaction.non_atomic_requests
def ready(_: HttpRequest) -> HttpResponse:
    """200 while the work can be done, 503 with one line for each part that is missing otherwise."""
    errors = find_errors()
    body = "".join(f"{error}\n" for error in errors) or READY
    return HttpResponse(body, status=503 if errors else 200, content_type="text/plain", headers=NEVER_KEPT)


NEVER_KEPT = {"Cache-Control": "no-store"}


def find_errors() -> list[str]:
    """What is missing, a sentence each. PostgreSQL is asked, over the connection that this thread has.

    Redis and Kafka away mean slower, not down: they are not asked.
    """
    connection = db.connections[db.DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        # Django looks for lost ones when a request begins. Where the web process asks, none does: each worker would say
        # once after a restart of the server that it is away.
        connection.close_if_unusable_or_obsolete()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_read_only')")
            (read_only,) = cursor.fetchone()
    except db.Error as error:
        connection.close()
        log.warning("not ready", reason=str(error))
        return [f"database: {find_outage(error) or 'It answers with an error.'}"]
    return ["database: It can only be read."] if read_only == "on" else []
