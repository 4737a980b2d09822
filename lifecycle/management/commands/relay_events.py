"""``manage.py relay_events``: what was committed, to Kafka."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from lifecycle.management.arguments import read_port
from lifecycle.management.stopping import stop_on_signals
from lifecycle.management.supervised import SupervisedCommand
from lifecycle.management.supervision import count_restarts, die_with_parent, is_supervised
from lifecycle.messaging import metrics
from lifecycle.messaging.process import (
    HealthFile,
    Progress,
    bounded_waits,
    check_databases,
    end_in_time,
    serve_metrics,
)
from lifecycle.messaging.relay import Relay, TopicsStopped
from lifecycle.services.events import outbox
from tenants.rules.texts import quote_text
from tenants.services.directory import PLATFORM


def parse_since(text: str, *, now: dt.datetime) -> dt.datetime:
    """A moment: ISO 8601 with its time zone, or so long ago as ``2h``, ``90m``, ``1d``."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text.isascii() and text[:-1].isdecimal() and text[-1:] in units:
            return now - dt.timedelta(**{units[text[-1]]: int(text[:-1])})
        timestamp = parse_datetime(text)
    except (ValueError, OverflowError):
        # No such day, or longer ago than days are counted.
        timestamp = None
    if timestamp is None or timestamp.tzinfo is None:
        raise CommandError(
            f"--since takes 2h, 90m, 1d, or a timestamp like 2026-03-31T12:00:00Z; {quote_text(text)} is neither."
        )
    return timestamp


class Command(SupervisedCommand):
    """Run one relay until SIGTERM; several may run, one of them publishes."""

    help = "Publish the outbox to Kafka. Several may run: one leads, and another takes over when it stops."

    def add_arguments(self, parser: Any) -> None:
        """What an operator may change."""
        add = parser.add_argument
        add("--once", action="store_true", help="publish what is pending, then exit")
        add("--republish", action="store_true", help="send again what was published --since, then exit")
        add("--since", help="2h, 90m, 1d, or a timestamp like 2026-03-31T12:00:00Z")
        add("--topic", help="with --republish: only messages of this topic")
        add("--health-file", help="file touched while the loop runs, for a container probe")
        add("--metrics-port", type=read_port, help="serve Prometheus metrics on this port")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return not (options["once"] or options["republish"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay; exit status 0 when ended as asked."""
        if options["republish"] != bool(options["since"]):
            raise CommandError("--republish and --since go together.")
        since = parse_since(options["since"], now=timezone.now()) if options["since"] else None
        health = HealthFile(options["health_file"])
        metrics.last_look.set_to_current_time()
        serve_metrics(options["metrics_port"], metrics.RELAY)
        if since is not None:
            count = outbox.republish(since=since, topic=options["topic"])
            self.stdout.write(f"{count:,} messages written since {since.isoformat()} are pending again")
        with bounded_waits(), stop_on_signals() as stop:
            end_in_time(stop)
            if is_supervised():
                die_with_parent(stop.set)
                metrics.restarts.set(count_restarts())
            check_databases(outbox.RELAY, PLATFORM, stop=stop, health=health, waits=self.is_service(options))
            progress = Progress("messages", output=self.stdout, describe=lambda: "published")
            relay = Relay(
                stop=stop,
                health=health,
                progress=progress,
                once=options["once"] or options["republish"],
            )
            try:
                relay.run()
            except TopicsStopped as stopped:
                raise CommandError(str(stopped)) from stopped
            finally:
                progress.close()
        if stop and not self.is_service(options):
            raise CommandError("Stopped; what was not published waits in the outbox. Run it again to go on.")
