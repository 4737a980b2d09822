"""What people do: pages with a session, and open pages that are sent hints. And the floor."""

import html
import re
import threading
import time
from collections.abc import Sequence
from typing import ClassVar

import httpx

from tests.load import FLOOR
from tests.load.clients import SITE
from tests.load.roles import PASSWORD, Role


class Visitor(Role):
    """A person's browser with one session."""

    pages: ClassVar[Sequence[str]] = ("/", "/customers", "/customers/{id}", "/renewals")

    def begin(self) -> None:
        self.log_in()

    def log_in(self) -> bool:
        """By the form of the log-in page."""
        page = self.caller.ask("page login", "GET", "/login")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        if token is None:
            return False
        form = {"username": self.scene.person, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        reply = self.caller.ask("POST login", "POST", "/login", data=form, headers={"Referer": f"https://{SITE}/login"})
        return reply.is_good and "/login" not in reply.url

    def step(self) -> None:
        self.turn += 1
        path = self.pages[self.turn % len(self.pages)].format(id=self.pick_recent())
        reply = self.caller.ask(f"page {self.pages[self.turn % len(self.pages)]}", "GET", path)
        if reply.is_good and "/login" in reply.url:
            self.journal.sessions_lost += 1
            self.log_in()
        elif reply.is_good and "/customers/" in path and (version := re.search(r'data-version="(\d+)"', reply.text)):
            self.journal.show("page customer", path.rpartition("/")[2], int(version[1]), reply.began)


class Listener(Visitor):
    """An open page of the tenant: it is sent a hint when something has changed."""

    def begin(self) -> None:
        super().begin()
        self._stop = threading.Event()

    def step(self) -> None:
        page = self.caller.ask("page /customers", "GET", "/customers")
        found = re.search(r'sse-connect="([^"]+)"', page.text)
        if found is None:
            self.log_in()
            return
        path = html.unescape(found[1])
        timeout = httpx.Timeout(20.0, connect=2.0)
        opened = 0.0
        try:
            with self.caller.http.stream("GET", path, timeout=timeout) as response:
                if response.status_code != 200:
                    self.journal.streams_refused += 1
                    return
                opened = time.monotonic()
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        self.journal.hints.append(time.monotonic())
                    if self._stop.is_set():
                        break
        except httpx.HTTPError:
            self.journal.streams_cut += 1
        finally:
            if opened:
                self.journal.listening.append((opened, time.monotonic()))
                self.journal.streams_opened += 1

    def halt(self) -> None:
        """End with the next line."""
        self._stop.set()


class Floor(Role):
    """The floor: what the same way costs without any work."""

    def step(self) -> None:
        self.caller.ask("floor", "GET", FLOOR)
