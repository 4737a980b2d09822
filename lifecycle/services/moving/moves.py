"""A move as it is recorded in the directory: which steps are done, and when it was fenced and switched."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from lifecycle.services.moving.sides import MoveRefused, Side, open_side
from storage.servers import MAIN
from tenants.actors import TenantRef
from tenants.homes import forget_homes

# Any number that nothing else locks; with the tenant's id it lets one command at a time work on a move.
LOCK: Final = 0x6D6F7665
_COLUMNS: Final = "tenant_id, slug, server, moving_to, step, started_at, fenced_at, switched_at, finished_at, facts"


@dataclass(slots=True)
class Move:
    """A tenant on its way between two servers. ``step`` is the last that is done."""

    tenant: TenantRef
    directory: Side
    source: Side
    target: Side
    report: Callable[[str], object]
    step: str = ""
    fenced_at: dt.datetime | None = None
    switched_at: dt.datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    # When the fence that this command has made opens by itself; None: it has made none.
    open_again_at: dt.datetime | None = None

    def note(self, step: str, **values: Any) -> None:
        """Record that a step is done, with the columns that it sets, in one statement."""
        assigned = ", ".join(f"{name} = %({name})s" for name in values)
        self.directory.do(
            f"UPDATE tenants_home SET step = %(step)s, facts = %(facts)s::jsonb{', ' if assigned else ''}{assigned}"  # noqa: S608  names of columns
            " WHERE tenant_id = %(tenant_id)s",
            {"step": step, "facts": orjson.dumps(self.facts).decode(), "tenant_id": self.tenant.id, **values},
        )
        self.step = step
        forget_homes()

    def switch(self, *, until: dt.datetime) -> None:
        """Let the tenant live on the target, in one statement, and not after that time. Raises MoveRefused."""
        done = self.directory.ask(
            "UPDATE tenants_home SET step = 'switch', server = moving_to, switched_at = clock_timestamp(),"
            " facts = %s::jsonb WHERE tenant_id = %s AND clock_timestamp() < %s RETURNING switched_at",
            [orjson.dumps(self.facts).decode(), self.tenant.id, until],
        )
        if not done:
            raise MoveRefused("The tenant was read-only for longer than --pause-limit allows.")
        self.step, self.switched_at = "switch", done[0]["switched_at"]
        forget_homes()

    def clock(self) -> dt.datetime:
        """The directory's time."""
        now: dt.datetime = self.directory.ask_one("SELECT clock_timestamp()")
        return now


@contextmanager
def open_move(slug: str, *, to: str | None, report: Callable[[str], object]) -> Iterator[Move]:
    """The tenant's move, begun or gone on with: ``to`` names its target, None means the one that is under way.

    Raises MoveRefused when there is no such tenant, none is under way, another is, or another command works on it; and,
    with nothing recorded, when the target is no server or cannot be reached.
    """
    with open_side(MAIN) as directory:
        home = _find_home(directory, slug)
        tenant_id = home["tenant_id"] if home else _find_tenant(directory, slug)
        if not directory.ask_one("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK, str(tenant_id)]):
            raise MoveRefused(f"Another command is moving {slug} at this moment.")
        home = _find_home(directory, slug) or {"server": MAIN, "moving_to": "", "step": ""}
        under_way = home["moving_to"]
        if to is None and not under_way:
            raise MoveRefused(f"{slug} is not being moved; it lives on server {home['server']}.")
        if to is not None and under_way and to != under_way:
            raise MoveRefused(f"{slug} is being moved to {under_way}: finish that, or take it back with --abort.")
        if to is not None and to == home["server"] and not under_way:
            raise MoveRefused(f"{slug} lives on server {to} already.")
        if not under_way and to is not None:
            # What is recorded before it is known that the server is there could be neither gone on with nor taken back.
            with open_side(to):
                _begin(directory, tenant_id, slug, source=home["server"], to=to)
            home = _find_home(directory, slug) or {}
        source = home["facts"]["from"]
        with open_side(source) as one, open_side(home["moving_to"]) as other:
            yield Move(
                TenantRef(tenant_id, slug),
                directory,
                one,
                other,
                report,
                home["step"],
                home["fenced_at"],
                home["switched_at"],
                home["facts"],
            )


def list_moves(slug: str | None = None) -> list[dict[str, Any]]:
    """The directory: every tenant that was moved or is being moved, by slug; or one."""
    with open_side(MAIN) as directory:
        return directory.ask(
            f"SELECT {_COLUMNS} FROM tenants_home WHERE slug = COALESCE(%s, slug) ORDER BY slug",  # noqa: S608  constant
            [slug],
        )


def _find_home(directory: Side, slug: str) -> dict[str, Any] | None:
    found = directory.ask(f"SELECT {_COLUMNS} FROM tenants_home WHERE slug = %s", [slug])  # noqa: S608  constant
    return found[0] if found else None


def _find_tenant(directory: Side, slug: str) -> UUID:
    tenant_id: UUID | None = directory.ask_one("SELECT id FROM tenants_tenant WHERE slug = %s", [slug])
    if tenant_id is None:
        raise MoveRefused(f"There is no tenant {slug!r}.")
    return tenant_id


def _begin(directory: Side, tenant_id: UUID, slug: str, *, source: str, to: str) -> None:
    directory.do(
        "INSERT INTO tenants_home (tenant_id, slug, server, moving_to, started_at, facts)"
        " VALUES (%(id)s, %(slug)s, %(source)s, %(to)s, clock_timestamp(), %(facts)s::jsonb)"
        " ON CONFLICT (tenant_id) DO UPDATE SET moving_to = EXCLUDED.moving_to, step = '', facts = EXCLUDED.facts,"
        " started_at = EXCLUDED.started_at, fenced_at = NULL, switched_at = NULL, finished_at = NULL",
        {"id": tenant_id, "slug": slug, "source": source, "to": to, "facts": orjson.dumps({"from": source}).decode()},
    )
