"""Who makes the stays and episodes of a tenant: one at a time."""

from typing import Final

from django.db import connection

from tenants.actors import TenantRef

_TURN: Final = "SELECT true FROM (SELECT pg_advisory_xact_lock(hashtextextended('insight ' || %s, 0))) taken"
_TRY: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('insight ' || %s, 0))"


class TurnTaken(Exception):
    """Someone else makes stays of the tenant, and may for minutes: an erasure, the reset of a sandbox, a rebuild."""


def take_turn(tenant: TenantRef, *, waits: bool = True) -> None:
    """Let no one else make stays of the tenant until the transaction ends. Raises TurnTaken unless it ``waits``.

    Who locks more than stays takes it first: so does what empties a sandbox (``services.demo.sandboxes``). Who works
    for all tenants does not wait.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TURN if waits else _TRY, [str(tenant.id)])
        ((taken,),) = cursor.fetchall()
    if not taken:
        raise TurnTaken(f"Stays of {tenant.slug} are being made by someone else.")
