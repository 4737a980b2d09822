"""The sessions that processes have at the database: one whose process was killed ends after it, and not at once.

What such a process had sent is done until then, be it the end of a transaction.
"""

from django.db import connections

from tests.aging import administrator
from tests.messaging.waiting import await_that

SESSIONS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def list_sessions() -> set[int]:
    """The sessions in the database of the tests, by the processes of the server that they have."""
    with administrator() as admin:
        return {pid for (pid,) in admin.execute(SESSIONS).fetchall()}


def await_end_of_sessions(*, but: set[int]) -> None:
    """Until there are none but these, and those of this thread: those of another process that was killed."""
    await_that(lambda: not list_sessions() - but - _own())


def _own() -> set[int]:
    opened = (connections[alias].connection for alias in connections)
    return {one.info.backend_pid for one in opened if one is not None}
