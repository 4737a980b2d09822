"""An endpoint and a mail server that take, refuse, hang up and say nothing, at random; and what each has taken."""

import asyncio
import logging
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from local.processes import find_free_port
from tests.delivery.endpoints import Authority, Server, status

NAME = "hooks.example.com"
# Longer than a worker of this run waits.
SILENT_SECONDS = 2.5
WEBHOOK_FAULTS = ["taken"] * 12 + ["error", "slow down", "elsewhere", "silent", "hang up unread", "hang up"]
MAIL_FAULTS = ["taken"] * 14 + ["later", "never", "drop", "take and drop", "take and say nothing", "full"]

logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Endpoint:
    """An https endpoint. ``read``: how often each webhook came whole; ``accepted``: which were answered with 200."""

    def __init__(self, folder: Path, random: Random) -> None:
        authority = Authority(folder)
        self.file = authority.file
        self.read: Counter[str] = Counter()
        self.accepted: set[str] = set()
        self.faults: Counter[str] = Counter()
        self._random = random
        self._lock = threading.Lock()
        self.server = Server(self._talk, tls=authority.context(NAME))
        self.url = f"https://{NAME}:{self.server.port}/hook"

    def _talk(self, server: Server, connection: Any) -> None:
        lines = connection.makefile("rb")
        while True:
            fault = self._choose()
            if fault == "hang up unread":
                lines.readline()
                return
            request = server.read(lines)
            if request is None:
                return
            webhook_id = request.headers["webhook-id"]
            with self._lock:
                self.read[webhook_id] += 1
                if fault == "taken":
                    self.accepted.add(webhook_id)
            if fault == "silent":
                time.sleep(SILENT_SECONDS)
                return
            if fault == "hang up":
                return
            connection.sendall(
                {
                    "taken": status(200, body=b"ok"),
                    "error": status(500),
                    "slow down": status(429, "Retry-After: 1"),
                    "elsewhere": status(302, "Location: https://elsewhere.example/"),
                }[fault]
            )

    def _choose(self) -> str:
        with self._lock:
            fault = self._random.choice(WEBHOOK_FAULTS)
            self.faults[fault] += 1
            return fault


class MailServer:
    """An SMTP server. ``taken``: the Message-IDs of what it has taken, whatever it has answered; ``at``: when first."""

    def __init__(self, random: Random, *, misbehaves: bool = True) -> None:
        self.taken: Counter[str] = Counter()
        self.at: dict[str, float] = {}
        self._faults = MAIL_FAULTS if misbehaves else ["taken"]
        self.faults: Counter[str] = Counter()
        self._random = random
        self.port = find_free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=60)
        self._controller.start()

    def close(self) -> None:
        """Take no more."""
        self._controller.stop()

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        fault = self._random.choice(self._faults)
        envelope.fault = fault
        self.faults[fault] += 1
        if fault == "full":
            return "452 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        fault = envelope.fault
        if fault in ("taken", "take and drop", "take and say nothing"):
            head = envelope.content.decode("utf-8", "replace")
            (message_id,) = (
                line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith("message-id:")
            )
            self.taken[message_id] += 1
            self.at.setdefault(message_id, time.monotonic())
        if fault in ("drop", "take and drop"):
            server.transport.abort()
        if fault == "take and say nothing":
            await asyncio.sleep(SILENT_SECONDS)
        return {"later": "451 Try again later", "never": "554 No"}.get(fault, "250 OK")
