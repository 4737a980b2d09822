"""``manage.py receive_webhooks``: a local receiver that checks signatures and shows what came."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lifecycle.delivery.receiving import Received, Receiver
from lifecycle.management.arguments import read_port, whole_number
from lifecycle.management.stopping import stop_on_signals
from lifecycle.rules.webhook_secrets import read_secret

_LOOK_SECONDS = 0.2


class Command(BaseCommand):
    """Receive webhooks as a customer's own program would; nothing is stored."""

    help = (
        "Receive webhooks on this machine, check their signatures with the standardwebhooks package and show them. "
        "The installation that sends them needs WEBHOOK_ALLOWED_NETWORKS=127.0.0.1/32."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        """What to check with, where to listen, and what to answer."""
        parser.add_argument(
            "--secret", action="append", required=True, help="whsec_...; repeat it while one is being replaced"
        )
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument(
            "--port", type=read_port, default=9000, help="the port to listen on (9000); 0 takes a free one"
        )
        parser.add_argument(
            "--answer",
            type=whole_number(200, 599),
            default=204,
            help="the status for what is signed well (204); 500, 429 or 410 show what the sender does then",
        )
        parser.add_argument("--max", type=whole_number(1), help="end after so many requests")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what comes until Ctrl-C, SIGTERM or --max."""
        try:
            for secret in options["secret"]:
                read_secret(secret)
        except ValueError as error:
            raise CommandError(f"--secret: {error}") from error
        try:
            receiver = Receiver(
                (options["host"], options["port"]), secrets=options["secret"], answer=options["answer"], show=self._show
            )
        except OSError as error:
            raise CommandError(
                f"{options['host']}:{options['port']} cannot be listened on: {error.strerror}"
            ) from error
        with stop_on_signals() as stop, receiver:
            self._write(f"Receiving on http://{options['host']}:{receiver.server_port}/")
            while not stop and not (options["max"] and receiver.count >= options["max"]):
                stop.wait(_LOOK_SECONDS)

    def _show(self, received: Received) -> None:
        again = " (again)" if received.is_repeated else ""
        self._write(
            f"{received.message_id or '(no webhook-id)'}{again}: {received.verdict}, answered {received.status}"
        )
        self._write(_indent(received.body))

    def _write(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _indent(body: bytes) -> str:
    """JSON in lines; anything else as it is, without control characters."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ascii(body[:2_000])
