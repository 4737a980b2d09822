"""The past of the figures of the customers of one batch: kept in memory change by change, written in one statement."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from storage.cursors import insert_rows, plain_array

_FIGURES: Final = ("id", "tenant_id", "customer_id", "effective_at", "recorded_at", "source", "figures")
KEEP_FIGURES = insert_rows("lifecycle_figurechange", _FIGURES)
_COLUMNS_OF_FIGURES = ", ".join(_FIGURES)
# The same, and of those that are ``disputed`` once more what the past has at a later time: it holds from then on, too.
KEEP_DISPUTED = f"""
WITH r AS MATERIALIZED (
    SELECT * FROM json_populate_recordset(NULL::lifecycle_figurechange, %(rows)s::json)
), kept AS (
    INSERT INTO lifecycle_figurechange ({_COLUMNS_OF_FIGURES}) SELECT {_COLUMNS_OF_FIGURES} FROM r
)
INSERT INTO lifecycle_figurechange ({_COLUMNS_OF_FIGURES})
SELECT uuidv7(), r.tenant_id, r.customer_id,
       max(f.effective_at) + row_number() OVER (ORDER BY r.id) * interval '1 microsecond',
       r.recorded_at, r.source, jsonb_object_agg(k.key, k.value)
  FROM r CROSS JOIN LATERAL jsonb_each(r.figures) k
 CROSS JOIN LATERAL (
       SELECT f.effective_at FROM lifecycle_figurechange f
        WHERE f.tenant_id = r.tenant_id AND f.customer_id = r.customer_id AND f.effective_at > r.effective_at
          AND f.figures ? k.key
        ORDER BY f.effective_at DESC LIMIT 1) f
 WHERE r.id = ANY(%(disputed)s::uuid[])
 GROUP BY r.id, r.tenant_id, r.customer_id, r.recorded_at, r.source
"""
_MOMENT: Final = dt.timedelta(microseconds=1)


class FigureChanges:
    """The changes of a batch, and which of them are disputed: the past may have something of a later time."""

    def __init__(self, tenant_id: UUID, now: dt.datetime) -> None:
        self.tenant_id = tenant_id
        self.now = now
        self._changes: list[dict[str, Any]] = []
        self._disputed: list[UUID] = []
        self._latest: dict[tuple[UUID, str], dt.datetime] = {}

    def keep(
        self,
        customer_id: UUID,
        figures: Mapping[str, Any],
        *,
        source: str,
        at: dt.datetime,
        is_disputed: bool = False,
    ) -> None:
        """Note what was changed of the figures, for their past.

        Their past ends with what holds now. A source that goes before others may have said it of a time before theirs
        (``is_disputed``), also of one before a pin went: then it is noted once more, as of a moment after that.
        """
        if not figures:
            return
        keys = {path: (customer_id, path) for path in figures}
        overtaken = {path: key for path, key in keys.items() if is_disputed and self._latest.get(key, at) > at}
        after = max((self._latest[key] for key in overtaken.values()), default=at)
        self._latest |= dict.fromkeys(keys.values(), at)
        change: dict[str, Any] = {
            "id": uuid7(),
            "tenant_id": self.tenant_id,
            "customer_id": customer_id,
            "effective_at": at,
            "recorded_at": self.now,
            "source": source,
            "figures": dict(figures),
        }
        self._changes.append(change)
        if is_disputed:
            self._disputed.append(change["id"])
        if overtaken:
            again = {path: figures[path] for path in overtaken}
            self.keep(customer_id, again, source=source, at=after + _MOMENT, is_disputed=True)

    def write(self, cursor: Any) -> None:
        """One statement; none where nothing was changed."""
        if self._changes:
            rows = orjson.dumps(self._changes, default=str).decode()
            statement = KEEP_DISPUTED if self._disputed else KEEP_FIGURES
            cursor.execute(statement, {"rows": rows, "disputed": plain_array(self._disputed)})
