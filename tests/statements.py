"""Counting what a page asks the database for."""

from contextlib import ExitStack

from django.db import connections
from django.test.utils import CaptureQueriesContext

# What begins and ends a transaction, and which tenant it shows, goes with other statements when no one counts.
_AROUND = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "SELECT set_config")


def statements_of(client, address, **given):
    """The statements of a page that was shown before, over every connection that pages use."""
    client.get(address, **given)
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(connections[one])) for one in ("default", "platform")]
        response = client.get(address, **given)
    assert response.status_code == 200, address
    found = [str(one["sql"]) for queries in captured for one in queries.captured_queries]
    return [sql for sql in found if not sql.startswith(_AROUND)]
