"""``manage.py consume_events``: the events of CRM, Billing and Support into the customers."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS

from lifecycle.management.arguments import read_name, read_port, whole_number
from lifecycle.management.stopping import stop_on_signals
from lifecycle.management.supervised import SupervisedCommand
from lifecycle.management.supervision import count_restarts, die_with_parent, is_supervised
from lifecycle.messaging import metrics
from lifecycle.messaging.batch_processing import BatchProcessor, TooManyFailures
from lifecycle.messaging.clients import KafkaException, topic_name
from lifecycle.messaging.consumer import EventConsumer, Options
from lifecycle.messaging.housekeeping import Housekeeping
from lifecycle.messaging.process import (
    HealthFile,
    Progress,
    bounded_waits,
    check_databases,
    end_in_time,
    serve_metrics,
)
from lifecycle.messaging.tailing import NoSuchTopic
from lifecycle.rules.schemas import TYPES
from lifecycle.services.events.processing import CONSUMER, Result
from tenants.services.directory import PLATFORM

GROUP = "customer360"
# What the client library reads at once.
LARGEST_BATCH = 1_000_000


class Command(SupervisedCommand):
    """Run one member of the consumer group until SIGTERM."""

    help = "Apply the events of CRM, Billing and Support. Several may run: they share the partitions."

    def add_arguments(self, parser: Any) -> None:
        """What an operator may change."""
        add = parser.add_argument
        add(
            "--topics",
            nargs="+",
            default=[topic_name(name) for name in TYPES],
            help="default: one for each type of event",
        )
        add("--group", type=read_name, default=GROUP, help="consumer group (default: %(default)s)")
        batch_size = whole_number(1, LARGEST_BATCH)
        add("--batch-size", type=batch_size, default=500, help="messages per transaction (default: %(default)s)")
        add("--once", action="store_true", help="stop once everything has been read")
        add("--max-events", type=whole_number(1), help="stop after this many messages")
        add("--from-beginning", action="store_true", help="read the topics from the start; what was applied is skipped")
        add("--dry-run", action="store_true", help="report on the messages that wait; change and commit nothing")
        add("--health-file", help="file touched while the loop runs, for a container probe")
        add("--metrics-port", type=read_port, help="serve Prometheus metrics on this port")

    def is_service(self, options: Mapping[str, Any]) -> bool:
        """Unless it is to end by itself: then someone waits for what it prints."""
        return not (options["once"] or options["dry_run"] or options["max_events"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Consume; exit status 0 when ended as asked."""
        counts: Counter[str] = Counter()

        def report(result: Result) -> None:
            counts[result.outcome] += 1
            if options["dry_run"]:
                self._tell(result)

        processor = BatchProcessor(actor=CONSUMER, dry_run=options["dry_run"], report=report)
        health = HealthFile(options["health_file"])
        metrics.last_batch.set_to_current_time()
        serve_metrics(options["metrics_port"], metrics.CONSUMER)
        with bounded_waits(), stop_on_signals() as stop:
            end_in_time(stop)
            if is_supervised():
                die_with_parent(stop.set)
                metrics.restarts.set(count_restarts())
            check_databases(DEFAULT_DB_ALIAS, PLATFORM, stop=stop, health=health, waits=self.is_service(options))
            progress = Progress(
                "events",
                output=self.stdout,
                total=options["max_events"],
                describe=lambda: " ".join(f"{name} {count:,}" for name, count in sorted(counts.items())),
            )
            consumer = EventConsumer(
                Options(
                    topics=options["topics"],
                    group=options["group"],
                    batch_size=options["batch_size"],
                    once=options["once"],
                    max_events=options["max_events"],
                    from_beginning=options["from_beginning"],
                    dry_run=options["dry_run"],
                ),
                processor=processor,
                stop=stop,
                health=health,
                progress=progress,
                housekeeping=Housekeeping(actor=CONSUMER, count=processor.count),
            )
            try:
                count = consumer.run()
            except NoSuchTopic as absence:
                raise CommandError(str(absence)) from absence
            except (TooManyFailures, KafkaException) as error:
                raise CommandError(
                    f"The consumer stops, and what it has not applied stays in Kafka: {error}"
                ) from error
            finally:
                progress.close()
        # Who waits for its end would take what is left for done.
        if stop and not self.is_service(options) and count < (options["max_events"] or math.inf):
            raise CommandError("Stopped before everything was read. Run it again to go on.")

    def _tell(self, result: Result) -> None:
        message, event, refusal = result.received.message, result.received.event, result.refusal
        why = f": {refusal.code}: {refusal.sentence}" if refusal else ""
        moved = " and moves the customer" if result.moved else ""
        self.stdout.write(
            f"{message.topic}/{message.partition}/{message.offset} {event.type} {event.id} {result.outcome}{moved}{why}"
        )
