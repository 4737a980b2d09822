"""``manage.py tail_topic``: shows messages of a topic as they come."""

from typing import Any

from confluent_kafka import KafkaException
from django.core.management.base import CommandError

from audit.management.reporting import OperatorCommand
from lifecycle.management.stopping import stop_on_signals
from lifecycle.messaging.tailing import NoSuchTopic, TopicSilent, read_topic, tail_topic


class Command(OperatorCommand):
    """Read along on a topic; it joins no group and commits nothing."""

    help = "Show the messages of a topic as they come, for example audit.lifecycle.updated."

    def add_arguments(self, parser: Any) -> None:
        """Which topic, from where, how many."""
        parser.add_argument("topic")
        parser.add_argument("--from-beginning", action="store_true", help="start with the oldest message")
        parser.add_argument("--all", action="store_true", help="every message in it now, then exit")
        parser.add_argument("--values", action="store_true", help="only what the messages say, one per line")
        parser.add_argument("--max", type=int, help="stop after this many messages")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show until Ctrl-C, SIGTERM or --max."""
        seen = 0
        with stop_on_signals() as stop:
            try:
                messages = (
                    read_topic(options["topic"], stop=lambda: bool(stop))
                    if options["all"]
                    else tail_topic(options["topic"], from_beginning=options["from_beginning"], stop=lambda: bool(stop))
                )
                for message in messages:
                    key = (message.key() or b"").decode(errors="replace")
                    value = (message.value() or b"").decode(errors="replace")
                    place = "" if options["values"] else f"{message.partition()}/{message.offset()} {key} "
                    self.stdout.write(f"{place}{value}")
                    self.stdout.flush()
                    seen += 1
                    if options["max"] and seen >= options["max"]:
                        return
            except (NoSuchTopic, TopicSilent) as absence:
                raise CommandError(str(absence)) from absence
            except KafkaException as error:
                raise CommandError(f"Kafka cannot be reached: {error.args[0].str()}") from error
        if options["all"] and stop:
            raise CommandError("Stopped before the end of the topic: this is a part of what it holds.")
