"""Keeping the figures of every tenant up to their history, a little at a time beside other work."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from lifecycle.services.events.failures import concerns_everybody, describe
from lifecycle.services.insight.keeping import keep_facts
from tenants.actors import TenantRef

# How long a tenant is left alone once its figures are what its history says, and how long others wait for this work.
PAUSE_SECONDS: Final = 15.0
SECONDS_AT_ONCE: Final = 1.0

log = structlog.get_logger(__name__)


class FactWorker:
    """Goes from tenant to tenant; the place is kept from call to call. ``keep``: what to do there instead."""

    def __init__(self, tenants: Callable[[], Sequence[TenantRef]], keep: Callable[..., int] | None = None) -> None:
        self._tenants = tenants
        self._keep_up = keep
        self._waiting: list[TenantRef] = []
        self._rests_until = time.monotonic() + PAUSE_SECONDS

    def work(self, enough: Callable[[], bool]) -> bool:
        """Work for a second at most; whether there is more to do now. What fails is tried again after the others."""
        if not self._waiting:
            if time.monotonic() < self._rests_until:
                return False
            self._waiting = list(self._tenants())
        until = time.monotonic() + SECONDS_AT_ONCE

        def is_late() -> bool:
            return enough() or time.monotonic() > until

        while self._waiting and not is_late():
            caught_up = self._keep(self._waiting[0], is_late)
            if is_late() and caught_up:
                break
            del self._waiting[0]
        if not self._waiting:
            self._rests_until = time.monotonic() + PAUSE_SECONDS
        return bool(self._waiting)

    def _keep(self, tenant: TenantRef, enough: Callable[[], bool]) -> int:
        try:
            return (self._keep_up or keep_facts)(tenant, enough=enough)
        except Exception as error:
            if concerns_everybody(error):
                raise
            log.error(
                "not brought up to date",
                what=(self._keep_up or keep_facts).__name__,
                tenant=tenant.slug,
                error=describe(error),
            )
            return 0
