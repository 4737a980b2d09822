"""``manage.py dead_letters``: what could not be applied: list, show, replay after a fix, discard with a reason."""

import getpass
import json
import sys
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.management.reporting import OperatorCommand
from lifecycle.management.arguments import read_text, whole_number
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import stop_on_signals
from lifecycle.management.tenants import describe_away
from lifecycle.models import DeadLetter
from lifecycle.rules.envelopes import Message
from lifecycle.sentences import say
from lifecycle.services.events.dead_letter_actions import (
    WAITS,
    DeadLetterRefused,
    Replayed,
    discard_dead_letters,
    find_dead_letters,
    open_message,
    replay_dead_letters,
)
from lifecycle.services.events.replay_agreement import MoreWouldStart
from lifecycle.services.events.replay_previews import MOST_FORESEEN, preview_replay
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from storage.away import AwayServers
from storage.servers import current_server, on_server, server_names
from tenants.actors import Actor, system_actor
from tenants.homes import AwayFromHome, server_to_work_on
from tenants.rules.texts import find_text_error
from tenants.sentences import write

# As much as the log has room for after "system:operator:".
LONGEST_OPERATOR: Final = 134


def read_operator(text: str) -> str:
    """Who decides; empty for the system's user."""
    error = find_text_error(text, LONGEST_OPERATOR) if text else None
    if error is not None:
        raise ArgumentTypeError(write(error.code, {"subject": "operator", "text": text, **error.params}))
    return text


class Command(OperatorCommand):
    """Four verbs over the table of dead letters."""

    help = "List, show, replay or discard messages that could not be applied."

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command a verb; the filters are the same for all of them."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="open dead letters, oldest first, or those of another state")
        listing.add_argument("--state", choices=["open", "replayed", "discarded", "all"], default="open")
        listing.add_argument("--limit", type=whole_number(1), default=50)
        listing.add_argument("--summary", action="store_true", help="only the number for each tenant, type and error")
        _add_filters(listing)
        show = verbs.add_parser("show", help="everything about one dead letter, and the message as it came")
        show.add_argument("id", type=UUID)
        show.add_argument("--value", action="store_true", help="write only the bytes of the value")
        for verb, what in (("replay", "through the consumer's own path"), ("discard", "destroy the bytes")):
            command = verbs.add_parser(verb, help=what)
            command.add_argument("id", type=UUID, nargs="*")
            command.add_argument("--all", action="store_true", help="all open dead letters that the filters leave")
            who = "who decides, for the log (default: the system's user)"
            command.add_argument("--by", type=read_operator, default="", help=who)
            _add_filters(command)
            if verb == "discard":
                command.add_argument("--reason", type=read_text, required=True)
            else:
                _add_effects(command)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb says. Exit status 0 only when all of it was done."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except (DeadLetterRefused, MoreWouldStart) as refusal:
            raise CommandError(str(refusal)) from refusal
        except EffectsUnconfirmed as refusal:
            raise CommandError(say(refusal.refused.message)) from refusal

    def _list(self, options: dict[str, Any]) -> None:
        state = None if options["state"] == "all" else options["state"]
        summary: Counter[tuple[str, str, str]] = Counter()
        found: list[DeadLetter] = []
        total = 0
        away = AwayServers()
        for server in _list_servers(options):
            with away.work_on(server):
                dead_letters = _filter(options, state=state)
                if options["summary"]:
                    counts = dead_letters.order_by().values_list("tenant_slug", "type", "code")
                    for *what, count in counts.annotate(count=Count("id")):
                        summary[tuple(what)] += count
                    continue
                found += dead_letters[: options["limit"]]
                total += dead_letters.count()
        for (slug, event_type, code), count in summary.most_common():
            self.stdout.write(f"{count:>8,}  {slug or '-':20} {event_type:22} {code}")
        for one in sorted(found, key=attrgetter("id"))[: options["limit"]]:
            self.stdout.write(
                f"{one.id}  {one.failed_at:%Y-%m-%d %H:%M:%S}  {one.tenant_slug or '-':16} {one.type:22}"
                f" {one.code:22} {one.topic}/{one.partition}/{one.offset}"
                + ("" if one.state == DeadLetter.State.OPEN else f"  {one.state}")
            )
        if total > options["limit"]:
            self.stdout.write(f"... and {total - options['limit']:,} more")
        if away:
            raise CommandError(describe_away(away))

    def _show(self, options: dict[str, Any]) -> None:
        away = AwayServers()
        for server in server_names():
            with away.work_on(server):
                dead_letter = find_dead_letters(state=None).filter(id=options["id"]).first()
                if dead_letter is not None:
                    self._show_one(dead_letter, options)
                    return
        if away:
            raise CommandError(describe_away(away))
        raise DeadLetterRefused("not_found", f"There is no dead letter {options['id']}.")

    def _show_one(self, dead_letter: DeadLetter, options: dict[str, Any]) -> None:
        if options["value"]:
            sys.stdout.buffer.write(open_message(dead_letter).value or b"")
            return
        for name in (
            *("id", "state", "tenant_slug", "type", "source", "event_id", "topic", "partition", "offset", "code"),
            *("sentence", "attempts", "failed_at", "resolved_at", "resolved_by", "reason"),
        ):
            value = getattr(dead_letter, name)
            if value not in (None, ""):
                self.stdout.write(f"{name:12} {value}")
        if dead_letter.state == DeadLetter.State.OPEN:
            self._show_message(open_message(dead_letter))

    def _show_message(self, message: Message) -> None:
        self.stdout.write(f"{'key':12} {_readable(message.key)}")
        for name, value in message.headers:
            self.stdout.write(f"{'header':12} {name}: {_readable(value)}")
        self.stdout.write(f"{'value':12} {_readable(message.value)}")

    def _replay(self, options: dict[str, Any]) -> None:
        chosen = _choose(options)
        who: dict[str, Any] = {"actor": _operator(options)}
        if options["start_effects"] or options["dry_run"]:
            if len(chosen) > 1:
                servers = ", ".join(one.server for one in chosen)
                raise DeadLetterRefused(
                    "several_servers",
                    f"They are on the servers {servers}: what they start is agreed to one server at a time. Name a"
                    " tenant with --tenant. Nothing was replayed.",
                )
            agreed = self._foresee(chosen, options, who)
            if agreed is None:
                return
            who |= agreed
        done = again = before = 0
        total = sum(one.count for one in chosen)
        with (
            stop_on_signals() as stop,
            ProgressBar("dead letters", total, stream=self.stderr, terminal=sys.stderr) as bar,
        ):
            for replayed in _replay_each(chosen, who):
                if replayed.was_resolved:
                    before += 1
                elif replayed.is_resolved:
                    done += 1
                    if replayed.waits:
                        self.stdout.write(f"{replayed.dead_letter_id} {_(WAITS)}")
                else:
                    again += 1
                    self.stdout.write(f"{replayed.dead_letter_id} failed again: {replayed.code}: {replayed.sentence}")
                bar.update(done + again + before)
                if stop:
                    break
        others = f", {before:,} resolved by someone else in the meantime" if before else ""
        self.stdout.write(f"{done:,} replayed, {again:,} failed again{others}")
        if again or (stop and done + before < total):
            raise CommandError("Some dead letters are still open.")

    def _foresee(self, chosen: "list[Chosen]", options: dict[str, Any], who: dict[str, Any]) -> dict[str, Any] | None:
        """What the replay is given so that it starts effects; None after a dry run."""
        foreseen: list[DeadLetter] = []
        with on_server(chosen[0].server if chosen else current_server()):
            for one in chosen:
                foreseen += one.dead_letters[: MOST_FORESEEN + 1]
            preview = preview_replay(foreseen, now=timezone.now(), **who)
        if not options["dry_run"]:
            return {"starts_effects": True, "agreement": preview.agree(options["confirm_effects"])}
        self.stdout.write(f"nothing was replayed; with --start-effects {len(foreseen):,} would start:")
        for (name, kind), count in preview.counts.items():
            self.stdout.write(f"{count:>8,}  {name} ({kind})")
        return None

    def _discard(self, options: dict[str, Any]) -> None:
        chosen = _choose(options)
        count = seen = 0
        total = sum(one.count for one in chosen)
        with (
            stop_on_signals() as stop,
            ProgressBar("dead letters", total, stream=self.stderr, terminal=sys.stderr) as bar,
        ):

            def until_stopped(dead_letters: QuerySet[DeadLetter]) -> Iterator[DeadLetter]:
                nonlocal seen
                for dead_letter in dead_letters.iterator(chunk_size=200):
                    if stop:
                        return
                    seen += 1
                    yield dead_letter
                    bar.update(seen)

            for one in chosen:
                with on_server(one.server):
                    count += discard_dead_letters(
                        until_stopped(one.dead_letters),
                        reason=options["reason"],
                        actor=_operator(options),
                        now=timezone.now(),
                    )
        self.stdout.write(f"{count:,} discarded")
        if stop and seen < total:
            raise CommandError("Stopped: some dead letters are still open.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Dead letters of one server."""

    server: str
    dead_letters: QuerySet[DeadLetter]
    count: int


def _replay_each(chosen: list[Chosen], who: dict[str, Any]) -> Iterator[Replayed]:
    for one in chosen:
        with on_server(one.server):
            yield from replay_dead_letters(one.dead_letters.iterator(chunk_size=200), **who)


def _add_filters(parser: CommandParser) -> None:
    parser.add_argument("--tenant", type=read_text, help="slug, as the messages wrote it")
    parser.add_argument("--type", type=read_text, help="for example contract.renewed")
    parser.add_argument("--error", type=read_text, help="code, for example unknown_customer")


def _add_effects(parser: CommandParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what they would start, and replay nothing")
    parser.add_argument(
        "--start-effects", action="store_true", help="they start what they would have; without it they start nothing"
    )
    parser.add_argument(
        "--confirm-effects",
        type=whole_number(0),
        help="replay only if they start as many: the number of the dry run; needed above the tenant's number",
    )


def _filter(options: dict[str, Any], *, state: str | None = DeadLetter.State.OPEN) -> QuerySet[DeadLetter]:
    return find_dead_letters(state=state, tenant=options["tenant"], event_type=options["type"], code=options["error"])


def _list_servers(options: dict[str, Any]) -> Sequence[str]:
    """Where to look: the server of the tenant that is named, or all."""
    if options["tenant"] is None:
        return server_names()
    try:
        return (server_to_work_on(options["tenant"]),)
    except AwayFromHome as error:
        raise CommandError(f"{error}.") from error


def _choose(options: dict[str, Any]) -> list[Chosen]:
    """The servers with some of the dead letters that are meant, in turn."""
    if bool(options["id"]) == options["all"]:
        raise DeadLetterRefused("nothing_chosen", "Name dead letters by id, or use --all (with filters if needed).")
    chosen, missing = [], set(options["id"])
    for server in _list_servers(options):
        with on_server(server):
            dead_letters = _filter(options)
            if options["id"]:
                dead_letters = dead_letters.filter(id__in=options["id"])
                missing -= set(dead_letters.values_list("id", flat=True))
            if count := dead_letters.count():
                chosen.append(Chosen(server, dead_letters, count))
    if missing:
        raise DeadLetterRefused(
            "not_found", f"Not among the open dead letters: {', '.join(map(str, sorted(missing)))}."
        )
    return chosen


def _operator(options: dict[str, Any]) -> Actor:
    return system_actor(f"operator:{options['by'] or getpass.getuser()}")


def _readable(value: bytes | None) -> str:
    if value is None:
        return "(none)"
    try:
        return value.decode()
    except UnicodeDecodeError:
        return json.dumps(value.decode("latin-1"))
