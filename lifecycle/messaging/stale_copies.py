"""The relay's other duty: to drop from Redis whatever is older than what was committed, for writers who could not."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from lifecycle.services.cache import copies, stale
from lifecycle.services.events.outbox import RELAY, Pending
from storage.copies import Watch

# While Kafka takes nothing: how often, and from how many rows before the last, the outbox is looked through.
LOOK_BACK_SECONDS: Final = 0.5
LOOK_BACK_ROWS: Final = 2000


class StaleCopies:
    """Follows what is committed. Redis away never stops the relay: everything is flushed when it is back."""

    def __init__(self) -> None:
        self._watch = Watch(using=RELAY)
        self._last_id = 0
        self._looked_back_at = 0.0
        self._seen: frozenset[int] = frozenset()

    def begin(self) -> None:
        """This relay leads from now on: what the last one had taken and not dropped is unknown."""
        self._watch.distrust()

    def look(self) -> bool:
        """Look after Redis, and drop what writers have noted; whether there was anything. One statement."""
        self._watch.look()
        changes = stale.take_changes(using=RELAY)
        self._drop(changes)
        return bool(changes)

    def follow(self, rows: Iterable[Pending]) -> None:
        """Drop what is older than the moves that are about to be published."""
        moves = []
        for row in rows:
            self._last_id = max(self._last_id, row.id)
            if row.history is not None and row.tenant_id is not None:
                move = row.history
                moves.append((row.tenant_id, str(move["customer_id"]), move["configuration_version"], move["sequence"]))
        self._drop(stale.group_moves(moves))

    def look_back(self) -> None:
        """Follow the moves that cannot be published now, twice a second.

        Ids are given before the commit, so the last rows are looked at again each time; totals are read again for those
        that were not there the last time.
        """
        now = time.monotonic()
        if now < self._looked_back_at + LOOK_BACK_SECONDS:
            return
        self._looked_back_at = now
        moves = stale.find_last_moves(self._last_id, look_back=LOOK_BACK_ROWS, using=RELAY)
        first = {tenant_id for row_id, (tenant_id, *_) in moves.items() if row_id not in self._seen}
        self._last_id, self._seen = max([self._last_id, *moves]), frozenset(moves)
        grouped = stale.group_moves(moves.values())
        self._drop(replace(change, is_first=change.tenant_id in first) for change in grouped)

    def _drop(self, changes: Iterable[stale.Change]) -> None:
        for change in changes:
            if not copies.drop_older(change, using=RELAY):
                self._watch.distrust()
