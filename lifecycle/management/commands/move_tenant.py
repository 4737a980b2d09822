"""``manage.py move_tenant SLUG --to SERVER``: moves a tenant to another PostgreSQL server while people work."""

import datetime as dt
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.services.moving.moves import list_moves, open_move
from lifecycle.services.moving.sides import MoveRefused
from lifecycle.services.moving.steps import NAMES, SETTLED_AFTER, TAKEN_BACK, Limits, abort_move, run_move


class Command(OperatorCommand):
    """Move, go on with a move, take it back, or say how far it is."""

    help = (
        "Move a tenant to another PostgreSQL server (DATABASE_SERVERS) by logical replication. It is read-only for"
        " seconds. Interrupted at any step, the same command goes on."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("slug", nargs="?", help="The slug of the tenant.")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--to", metavar="SERVER", help="The server to move it to.")
        what.add_argument("--status", action="store_true", help="Say where tenants live, and how far moves are.")
        what.add_argument("--abort", action="store_true", help="Take a move back that has not switched yet.")
        parser.add_argument(
            "--pause-limit",
            metavar="SECONDS",
            type=float,
            default=Limits().pause_seconds,
            help="For how long the tenant may be read-only (%(default)s); past that it is opened again where it was.",
        )
        parser.add_argument(
            "--settle",
            metavar="SECONDS",
            type=float,
            default=SETTLED_AFTER.total_seconds(),
            help="How long the old rows are kept at least after the switch (%(default)s).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; exit status 0 when all was done."""
        slug: str | None = options["slug"]
        if options["status"]:
            self._show(slug)
            return
        if slug is None:
            raise CommandError("Name the tenant: move_tenant SLUG --to SERVER.")
        limits = Limits(
            pause_seconds=options["pause_limit"],
            public_keys=settings.AUDIT_VERIFY_KEYS,
            settled_after=dt.timedelta(seconds=options["settle"]),
        )
        try:
            with open_move(slug, to=None if options["abort"] else options["to"], report=self._report) as move:
                if options["abort"]:
                    abort_move(move)
                    self._report(f"{slug} stays on server {move.source.name}; its copy on {move.target.name} is gone")
                    return
                run_move(move, limits)
                assert move.switched_at and move.fenced_at  # noqa: S101  a move that has ended has both
                paused = (move.switched_at - move.fenced_at).total_seconds()
                self._report(f"{slug} lives on server {move.target.name}; it was read-only for {paused:.1f} s")
        except MoveRefused as refused:
            raise CommandError(str(refused)) from refused
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            raise CommandError(f"A server did not do its part: {text}. Run the command again to go on.") from error

    def _show(self, slug: str | None) -> None:
        try:
            homes = list_moves(slug)
        except MoveRefused as refused:
            raise CommandError(str(refused)) from refused
        if not homes:
            self._report("Every tenant lives on server main." if slug is None else f"{slug} lives on server main.")
        for home in homes:
            moving = home["moving_to"]
            done = f"{home['step']} done" if home["step"] else "nothing done"
            left = f"; moving from {home['facts']['from']} to {moving}: {done}, of {', '.join(NAMES)}" if moving else ""
            if moving and TAKEN_BACK in home["facts"]:
                left = f"; is being taken back from {moving}: finish that with --abort"
            read_only = bool(moving and home["fenced_at"] and not home["switched_at"])
            self._report(f"{home['slug']} lives on server {home['server']}{left}{'; READ-ONLY' if read_only else ''}")

    def _report(self, line: str) -> None:
        self.stdout.write(f"{timezone.now():%H:%M:%S} {line}")
        self.stdout.flush()
