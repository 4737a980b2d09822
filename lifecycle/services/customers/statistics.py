"""Fresh statistics for the planner after a bulk load: without them the first pages after it are planned for an empty
table, and take seconds.
"""

from collections.abc import Sequence
from typing import Final

from django.db import connection, transaction

from storage.timeouts import JOB_SECONDS, allow_seconds

TABLES: Final = (
    "lifecycle_customer",
    "customer_lifecycle_status",
    "lifecycle_billingfigures",
    "lifecycle_supportfigures",
    "lifecycle_contact",
    "lifecycle_figurechange",
    "lifecycle_note",
    "lifecycle_task",
)
# What figures from the history are read from.
INSIGHT_TABLES: Final = (
    "lifecycle_stay",
    "lifecycle_insight_state",
    "lifecycle_insight_fact",
    "lifecycle_segment_fact",
    "lifecycle_owner_fact",
)
# Fewer written customers than this change no plan.
LARGE_LOAD: Final = 1000


def refresh_statistics(tables: Sequence[str] = TABLES) -> None:
    """ANALYZE the tables of customers and of their figures' past, notes and tasks, or others, when a large load is
    done.

    In a transaction of its own or the caller's. Takes about a second whatever their size: PostgreSQL looks at a sample.
    """
    with transaction.atomic():
        allow_seconds(JOB_SECONDS)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(tables)}")
