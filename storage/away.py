"""Servers that are away while something is done on each of several: they hold up none of the others."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from storage.failures import concerns_every_tenant, describe
from storage.servers import on_server


class AwayServers:
    """Which were found to be away, by name. From then on they are to be left out, and named at the end.

    The process's own server is none of them, and what it raises is raised: it has the directory, and without that
    no one knows what is to be done on the others.
    """

    def __init__(self) -> None:
        self._causes: dict[str, str] = {}
        self._first: Exception | None = None

    def __contains__(self, server: str) -> bool:
        return server in self._causes

    def __bool__(self) -> bool:
        return bool(self._causes)

    def __str__(self) -> str:
        return ", ".join(f"{name} ({cause})" for name, cause in self._causes.items())

    @contextmanager
    def noting(self, server: str) -> Iterator[None]:
        """Note, and do not raise, what says that this server is away."""
        try:
            yield
        except Exception as error:
            if server == settings.DATABASE_SERVER or not concerns_every_tenant(error):
                raise
            self._causes.setdefault(server, describe(error))
            self._first = self._first or error

    def raise_first(self) -> None:
        """Raise what was noted first, if anything was: what was not found on the others may be on one that is away."""
        if self._first is not None:
            raise self._first

    @contextmanager
    def work_on(self, server: str) -> Iterator[None]:
        """As ``storage.servers.on_server``, noting that it is away: the rest of the block is left out then."""
        with self.noting(server), on_server(server):
            yield
