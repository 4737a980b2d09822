"""What must be so before anything is made for a move, found out in one look at both servers."""

from collections.abc import Iterator

from django.conf import settings

from lifecycle.services.moving.leaving import count_rows
from lifecycle.services.moving.sides import MoveRefused, Side
from storage.servers import MAIN
from tenants.actors import TenantRef
from tenants.services.database import version_error

# The fence opens by the source's clock, and the switch is made by the directory's.
MOST_SKEW_SECONDS = 2.0
# What both must say alike: the release, the tables, and the numbers that grants and groups refer to.
_ALIKE = {
    "migrations": "SELECT app, name FROM django_migrations ORDER BY app, name",
    "permissions": (
        "SELECT p.id, p.codename, c.id, c.app_label, c.model FROM auth_permission p"
        " JOIN django_content_type c ON c.id = p.content_type_id ORDER BY p.id"
    ),
}
_NAMES = "SELECT username FROM tenants_user WHERE tenant_id = %s"
_TAKEN = "SELECT username FROM tenants_user WHERE username = ANY(%s) AND tenant_id IS DISTINCT FROM %s LIMIT 3"


def check_sides(source: Side, target: Side, tenant: TenantRef, *, directory: Side) -> None:
    """Raise MoveRefused with everything that keeps the tenant from being moved."""
    errors = [*_find_skew(source, directory), *_find_errors(source, target, tenant)]
    if errors:
        raise MoveRefused(" ".join(errors))


def _find_errors(source: Side, target: Side, tenant: TenantRef) -> Iterator[str]:
    for side in (source, target):
        if error := version_error(side.connection.info.server_version):
            yield f"Server {side.name}: {error}"
    if source.ask_one("SHOW wal_level") != "logical":
        yield f"Server {source.name} needs wal_level = logical (postgresql.conf, then a restart)."
    elif not _has_free_slot(source):
        yield f"Server {source.name} has no free replication slot: raise max_replication_slots or drop unused ones."
    for alias in ("default", "platform"):
        for side in (source, target):
            if side.name != MAIN and not settings.DATABASE_SERVERS[side.name].get(alias):
                yield f"DATABASE_SERVERS has no address of server {side.name} for the role of {alias}."
    for what, query in _ALIKE.items():
        if source.ask(query) != target.ask(query):
            yield f"The {what} of {source.name} and {target.name} differ: migrate both to the same release."
            return
    if left := count_rows(target, tenant.id):
        yield (
            f"Server {target.name} has rows of {tenant.slug} already ({', '.join(sorted(left))}): a move that was not"
            " finished or not taken back."
        )
        return
    yield from _find_names_taken(source, target, tenant)


def _find_skew(source: Side, directory: Side) -> Iterator[str]:
    one, other = (side.ask_one("SELECT extract(epoch FROM clock_timestamp())::float8") for side in (source, directory))
    if abs(one - other) > MOST_SKEW_SECONDS:
        yield f"The clocks of {source.name} and {directory.name} differ by {abs(one - other):.0f} s: set them first."


def _find_names_taken(source: Side, target: Side, tenant: TenantRef) -> Iterator[str]:
    """Names that people and tenants have for themselves everywhere."""
    if target.ask("SELECT FROM tenants_tenant WHERE slug = %s AND id <> %s", [tenant.slug, tenant.id]):
        yield f"Server {target.name} has another tenant with the slug {tenant.slug}."
    names = [row["username"] for row in source.ask(_NAMES, [tenant.id])]
    taken = [row["username"] for row in target.ask(_TAKEN, [names, tenant.id])]
    if taken:
        yield f"User names that are taken on server {target.name}: {', '.join(taken)}. Rename them first."


def _has_free_slot(source: Side) -> bool:
    return bool(
        source.ask_one("SELECT count(*) < current_setting('max_replication_slots')::int FROM pg_replication_slots")
    )
