"""How long work in the database may take: the roles' own limits are for requests; a job that needs more says so.

The limits are set on the roles (``tenants.services.database``), where they hold through a transaction-mode pooler as
well. What is set here holds until the end of the transaction, and does not reach the next borrower of the connection.
"""

import math
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

# PostgreSQL's transaction_timeout: a change of it counts in a running transaction only when it was off before.
_ALLOW = """
SELECT set_config('transaction_timeout', '0', true), set_config('statement_timeout', %(statement)s, true),
       set_config('lock_timeout', %(lock)s, true), set_config('idle_in_transaction_session_timeout', %(idle)s, true),
       set_config('transaction_timeout', %(transaction)s, true)
"""
UNLIMITED = 0
# A batch of a job that no one waits for in front of a page.
JOB_SECONDS = 600
# How much later the server's own end of a statement may be here.
ARRIVING_SECONDS: Final = 10.0


def allow_seconds(transaction: int, *, lock: int = 60, idle: int = 60, using: str = DEFAULT_DB_ALIAS) -> None:
    """Let the transaction at hand, and each of its statements, take so long; ``UNLIMITED``: for ever.

    ``lock``: waiting for one lock; ``idle``: between two statements. Call inside a transaction. One statement.
    """
    connection: Any = connections[using]
    if not connection.in_atomic_block:
        raise RuntimeError("allow_seconds is for a transaction: outside of one it would be for no one.")
    seconds = {"statement": transaction, "lock": lock, "idle": idle, "transaction": transaction}
    with connection.cursor() as cursor:
        cursor.execute(_ALLOW, {name: f"{value}s" for name, value in seconds.items()})
    allowed = math.inf if transaction == UNLIMITED else transaction + ARRIVING_SECONDS
    connection.connection.allowed_seconds = allowed
