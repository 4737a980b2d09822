"""The bell that wakes the relay: rung after commits that put something into the outbox."""

import time
from typing import Final

import structlog
from django.db import connections, transaction

from storage.database.results import execute

log = structlog.get_logger(__name__)

CHANNEL: Final = "c360_outbox"
# A NOTIFY takes a lock that all notifying transactions share: many writers ring every so often only, and the relay,
# once awake, looks again by itself.
QUIET_SECONDS: Final = 0.02
RING: Final = f"BEGIN; SET LOCAL synchronous_commit TO off; NOTIFY {CHANNEL}; COMMIT".encode()

_rung_at: dict[str, float] = {}


def wake_relay_after_commit(*, using: str = "default") -> None:
    """Tell the relay, once the current transaction has committed, that there is something to publish.

    After the commit and not within it: a NOTIFY inside the transaction makes all committing transactions take turns.
    Outside a transaction it rings at once. Losing it costs the tenth of a second after which the relay looks anyway.
    """
    transaction.on_commit(lambda: _ring(using), using=using, robust=True)


def _ring(using: str) -> None:
    now = time.monotonic()
    if now - _rung_at.get(using, 0.0) < QUIET_SECONDS:
        return
    _rung_at[using] = now
    raw = connections[using].connection
    try:
        # Past Django's bookkeeping: it is no query of anybody's request, and nothing depends on it. It need not wait
        # for the disk either.
        execute(raw.pgconn, RING)
    except Exception as error:
        log.info("relay not woken, it will look by itself", error=type(error).__name__)
