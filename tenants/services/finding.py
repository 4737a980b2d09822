"""On which server the tenant of a request lives, found before anyone has been identified.

What a request shows (a token, a key, the id in a session) is believed here only as far as to choose the server. There
it is looked at as ever; what names another tenant than it should is refused there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from storage.away import AwayServers
from storage.servers import MAIN, connection_to, server_names
from tenants.homes import find_home, find_server

# How many ids of people, keys and feeds a process remembers the tenant of: none of them ever changes tenants.
MOST_KNOWN: Final = 100_000
_QUERIES: Final = {
    "user": "SELECT tenant_id FROM tenants_user WHERE id = %s",
    "username": "SELECT tenant_id FROM tenants_user WHERE username = %s",
    "key": "SELECT tenant_id FROM tenants_apikey WHERE id = %s",
    "feed": "SELECT tenant_id FROM lifecycle_calendarfeed WHERE id = %s",
    "issuer_id": "SELECT tenant_id FROM tenants_tokenissuer WHERE id = %s",
}
_ISSUERS: Final = """
SELECT i.tenant_id, t.slug, i.audience, i.tenant_claim
  FROM tenants_tokenissuer i JOIN tenants_tenant t ON t.id = i.tenant_id WHERE i.issuer = %s AND i.is_active
"""
# Names may be given to someone else, and an issuer may be taken away.
_REMEMBERED: Final = frozenset({"user", "key", "feed", "issuer_id"})
_known: dict[tuple[str, Any], UUID] = {}


def find_tenant_of(kind: str, value: UUID | str) -> UUID | None:
    """The tenant of a person, key, feed or issuer, on whatever server; None when there is none, or it has no tenant.

    A statement for each server until one knows it, over its platform role. One that is away holds up no one whom
    another knows; who is known to none of the others may be there, and what it raises is raised then.
    """
    if tenant_id := _known.get((kind, value)):
        return tenant_id
    away = AwayServers()
    for _name, rows in _ask_each(_QUERIES[kind], value, away):
        for row in rows:
            found: UUID | None = row[0]
            if found is not None and kind in _REMEMBERED:
                if len(_known) >= MOST_KNOWN:
                    _known.clear()
                _known[kind, value] = found
            return found
    away.raise_first()
    return None


def _ask_each(query: str, value: UUID | str, away: AwayServers) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The name of each server and what it answers; nothing, where it is away."""
    for name in server_names():
        rows: list[tuple[Any, ...]] = []
        with away.noting(name), connection_to(name, "platform").cursor() as cursor:
            cursor.execute(query, [value])
            rows = cursor.fetchall()
        yield name, rows


def server_of_external(issuer: str, claims: Mapping[str, Any]) -> str:
    """The server of the tenant for which an identity provider made a token; main when no tenant has the provider.

    Tenants may share one: then its audience says for whom it is, and after that the claim that names the tenant. A
    statement for each server. One that is away holds up no tenant that another has, and that the token is for; else
    what it raises is raised at the end.
    """
    given = claims.get("aud")
    audiences = given if isinstance(given, list) else [given]
    found: list[tuple[str, bool, bool]] = []
    is_known, away = False, AwayServers()
    for name, rows in _ask_each(_ISSUERS, issuer, away):
        for tenant_id, slug, audience, claim in rows:
            if find_server(tenant_id) != name:
                # A tenant has left it behind where it no longer lives.
                continue
            named, is_for = claims.get(claim), audience in audiences
            is_named = named in (str(tenant_id), slug)
            found.append((name, is_for, is_named))
            is_known = is_known or (is_for and (is_named or named is None))
    if not is_known:
        away.raise_first()
    return max(found, key=lambda one: one[1:])[0] if found else MAIN


def server_of_slug(slug: str) -> str:
    """The server of the tenant with this slug; main for one that there is not."""
    home = find_home(slug)
    return home.server if home else MAIN


def server_of(kind: str, value: UUID | str) -> str:
    """The server of the tenant that this belongs to; main for what is not known, and for super admins."""
    tenant_id = find_tenant_of(kind, value)
    return find_server(tenant_id) if tenant_id else MAIN
