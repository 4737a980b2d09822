"""What a process knows of Redis being away: whom it must not ask, and what it could not tell."""

import threading
import time

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from lifecycle.services.cache.cache_keys import all_generation_keys
from lifecycle.services.cache.scripts import get_scripts

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5

failures = Counter("customer360_cache_failures_total", "Calls to Redis that failed and were done without it.")


class Outage:
    """Whether Redis answers, and the invalidations that it is owed."""

    def __init__(self) -> None:
        self.retry_at = 0.0
        self._owed = 0
        self._repaying = False
        self._lock = threading.Lock()

    def is_over(self) -> bool:
        """Whether the cache may be asked and trusted."""
        return not self._owed and time.monotonic() >= self.retry_at

    def note(self, error: Exception, *, untold: bool) -> None:
        """A call failed; ``untold``: with it an invalidation."""
        failures.inc()
        log.warning("cache unavailable, going on without it", error=str(error))
        self.retry_at = time.monotonic() + RETRY_SECONDS
        if untold:
            self.owe()

    def owe(self) -> None:
        """Remember that a stale value may be in the cache, and raise the generation as soon as Redis answers."""
        with self._lock:
            self._owed += 1
            if self._repaying:
                return
            self._repaying = True
        threading.Thread(target=self._repay, name="cache-generation", daemon=True).start()

    def _repay(self) -> None:
        while True:
            owed = self._owed
            try:
                for key in all_generation_keys():
                    get_scripts().bump(keys=[key], args=[])
            except RedisError:
                time.sleep(RETRY_SECONDS)
                continue
            with self._lock:
                # What came to be owed while Redis was told is not paid yet.
                self._owed -= owed
                if not self._owed:
                    self._repaying = False
                    return
