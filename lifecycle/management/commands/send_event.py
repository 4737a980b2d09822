"""``manage.py send_event``: a valid sample of each type, a file of events, or a gentle stream of them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.arguments import read_pace, read_text
from lifecycle.management.stopping import stop_on_signals
from lifecycle.messaging.clients import KafkaException
from lifecycle.messaging.process import Progress, Stop
from lifecycle.messaging.sending import TOO_LARGE, EventSender, InvalidEvent, encode
from lifecycle.rules.schemas import TYPES
from lifecycle.services.events.samples import Subject, envelope, pick_event, sample_data
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.homes import AwayFromHome, at_home
from tenants.services.configuration.policies import NoConfiguration
from tenants.services.directory import find_tenant_everywhere, list_tenants_everywhere

Document = dict[str, Any]


class Command(OperatorCommand):
    """Send events to Kafka, for trying things out and for the demo."""

    help = "Send a sample event, a file of events (one JSON per line, - is standard input), or a stream of samples."

    def add_arguments(self, parser: CommandParser) -> None:
        """One event, a file, or a stream."""
        add = parser.add_argument
        add("type", nargs="?", choices=list(TYPES), help="send one sample of this type")
        add("--tenant", type=read_text, help="slug of the tenant (a stream: of these tenants, by commas; default all)")
        add("--customer", type=read_text, default="C-1", help="external id of the customer (default: %(default)s)")
        add("--data", type=read_text, help="JSON to lay over the sample, for example '{\"csat\": 5}'")
        add("--source", type=read_text, help="default: the module that owns the type")
        add("--file", help="events to send, one CloudEvent in JSON per line")
        add("--stream", action="store_true", help="believable events for existing customers, until stopped")
        add("--per-minute", type=read_pace, default=6.0, help="pace of the stream (default: %(default)s)")
        add("--max-events", type=int, help="stop the stream after this many events")
        add("--seed", type=int, help="make the samples repeatable")
        add("--binary", action="store_true", help="attributes as headers instead of in the value")
        add("--topic", type=read_text, help="default: the topic of the event's type")
        add("--print", action="store_true", help="write the events, one per line, and send nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send; exit status 0 only when everything is with the broker. An invalid line keeps no other back."""
        if sum(map(bool, (options["type"], options["file"], options["stream"]))) != 1:
            raise CommandError("Name a type, a --file or --stream.")
        sender = None if options["print"] else EventSender(binary=options["binary"], topic=options["topic"])
        progress = Progress("events", output=self.stdout, describe=lambda: "sent")
        # The first line of the file that was not sent, because the request to stop came before it.
        self._left = 0
        with stop_on_signals() as stop:
            try:
                invalid = self._send(self._events(options, stop), sender, progress)
            except KafkaException as error:
                raise CommandError(f"Kafka did not accept the events: {error.args[0].str()}") from error
        if sender is not None:
            progress.close()
        if self._left:
            raise CommandError(f"Stopped before line {self._left}: what comes from there on was not sent.")
        if invalid:
            raise CommandError(
                f"{invalid:,} invalid {'line was' if invalid == 1 else 'lines were'} not sent; see above."
            )

    def _send(
        self, events: Iterator[tuple[str, Document | bytes]], sender: EventSender | None, progress: Progress
    ) -> int:
        """Send what is good, name the lines that are invalid; how many those were."""
        invalid = 0
        try:
            for line, event in events:
                try:
                    document = _parse(event) if isinstance(event, bytes) else event
                    if sender is None:
                        self.stdout.write((encode(document).value or b"").decode())
                    else:
                        rejected = sender.send(document, label=line)
                        progress.advance(1)
                        if rejected:
                            self.stderr.write(f"{line}sent; the consumer leaves out: {'; '.join(rejected)}.")
                except InvalidEvent as error:
                    if not line:
                        raise CommandError(str(error)) from error
                    invalid += 1
                    self.stderr.write(f"{line}{error}")
        finally:
            # Whatever ends it: what was taken goes out.
            if sender is not None:
                sender.flush()
        for line in sender.refused if sender is not None else ():
            if not line:
                raise CommandError(TOO_LARGE)
            invalid += 1
            progress.advance(-1)
            self.stderr.write(f"{line}{TOO_LARGE}")
        return invalid

    def _events(self, options: dict[str, Any], stop: Stop) -> Iterator[tuple[str, Document | bytes]]:
        if options["file"]:
            yield from self._read_file(options["file"], stop)
        elif options["stream"]:
            yield from ((("", document)) for document in self._stream(options, stop))
        else:
            yield "", _sample(options)

    def _read_file(self, name: str, stop: Stop) -> Iterator[tuple[str, bytes]]:
        try:
            lines = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115  closed with the command
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if stop:
                self._left = number
                return
            yield f"line {number}: ", line

    def _stream(self, options: dict[str, Any], stop: Stop) -> Iterator[Document]:
        random = Random(options["seed"])  # noqa: S311  makes samples, keeps no secret
        left = options["max_events"]
        while not stop and left != 0:
            tenants = _find_tenants(options["tenant"])
            document = _pick(tenants, random) if tenants else None
            if document is not None:
                left = None if left is None else left - 1
                yield document
            # Some more, some less: no one's modules work to a beat.
            stop.wait(random.expovariate(max(options["per_minute"], 0.01) / 60))


def _pick(tenants: list[TenantRef], random: Random) -> Document | None:
    tenant = random.choice(tenants)
    with at_home(tenant.id), tenant_context(tenant.id):
        try:
            return pick_event(tenant, random=random, now=timezone.now())
        except NoConfiguration:
            return None


def _find_tenants(slugs: str | None) -> list[TenantRef]:
    if slugs is None:
        return list_tenants_everywhere()
    try:
        found = {slug: find_tenant_everywhere(slug) for slug in slugs.split(",")}
    except AwayFromHome as error:
        raise CommandError(f"{error}.") from error
    missing = [slug for slug, tenant in found.items() if tenant is None]
    if missing:
        raise CommandError(f"There is no active tenant {', '.join(missing)}.")
    return [tenant for tenant in found.values() if tenant is not None]


def _sample(options: dict[str, Any]) -> Document:
    if not options["tenant"]:
        raise CommandError("Name the tenant: --tenant SLUG.")
    now = timezone.now()
    random = Random(options["seed"])  # noqa: S311  makes samples, keeps no secret
    data = sample_data(options["type"], Subject(options["customer"]), random=random, now=now)
    if options["data"]:
        try:
            data |= _parse(options["data"].encode())
        except InvalidEvent as error:
            raise CommandError(f"--data: {error}") from error
    return envelope(options["type"], data, tenant=options["tenant"], now=now, source=options["source"])


def _parse(text: bytes) -> Document:
    """The event. Raises InvalidEvent when it is not JSON object."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidEvent(f"it is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidEvent("it is JSON, but not an object.")
    return document
