"""Keeping the episodes at risk that can change no more, so that Insight need not look them up."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from lifecycle.queries.insight import episodes as queries
from lifecycle.services.insight.reading import Stages
from lifecycle.services.insight.statements import execute
from lifecycle.services.insight.turns import take_turn
from storage.cursors import plain_array, text_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.categories import RISK
from tenants.services.configuration.policies import NoConfiguration, live_policy

BATCH: Final = 500
_FORGET: Final = """
DELETE FROM lifecycle_risk_episode WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[])
"""
_KEEP: Final = f"INSERT INTO lifecycle_risk_episode ({queries.KEPT_COLUMNS}) {queries.TO_KEEP}"
_NOTE: Final = f"""
UPDATE lifecycle_insight_state f
   SET risk = %(risk)s::text, loose = l.loose, loose_from = l.loose_from, due_at = l.due_at
  FROM unnest(%(customer_ids)s::uuid[]) AS o(customer_id) CROSS JOIN LATERAL ({queries.LOOSE}) l
 WHERE f.tenant_id = %(tenant_id)s::uuid AND f.customer_id = o.customer_id
"""  # noqa: S608  constants
# Something about these customers has changed: their episodes are looked up until they are made again.
LOOSEN: Final = """
UPDATE lifecycle_insight_state SET risk = '' WHERE tenant_id = %(tenant_id)s
   AND customer_id = ANY(%(customer_ids)s::uuid[]) AND risk <> ''
"""
# What reached customers is kept longer than the record of it, and is not compared.
_COMPARED: Final = ", ".join(name for name in queries.KEPT_COLUMNS.split(", ") if not name.endswith("messaged"))
_WRONG: Final = f"""
WITH wrong AS (
    SELECT {_COMPARED} FROM lifecycle_risk_episode k
     WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = ANY(%(customer_ids)s::uuid[])
       AND EXISTS (SELECT FROM lifecycle_insight_state f WHERE f.tenant_id = k.tenant_id
                      AND f.customer_id = k.customer_id AND f.risk = %(risk)s::text)
    EXCEPT
    SELECT {_COMPARED} FROM ({queries.TO_KEEP}) m({queries.KEPT_COLUMNS})
)
SELECT count(*) FROM (
    SELECT customer_id FROM wrong
     UNION
    SELECT o.customer_id FROM lifecycle_insight_state o CROSS JOIN LATERAL ({queries.LOOSE}) l
     WHERE o.tenant_id = %(tenant_id)s::uuid AND o.customer_id = ANY(%(customer_ids)s::uuid[])
       AND o.risk = %(risk)s::text AND (o.loose, o.loose_from) IS DISTINCT FROM (l.loose, l.loose_from)) w
"""  # noqa: S608  constants
# Rises when there is more to keep: what processes of a former release have kept is made again then, and looked up
# until it is.
_FORM: Final = "2"


def loosen_episodes(customer_ids: Sequence[UUID], *, tenant: TenantRef) -> None:
    """Have the episodes of these customers made again: notes, tasks or figures of theirs have gone. One statement."""
    execute(LOOSEN, tenant, customer_ids=plain_array(customer_ids))


def name_stages(keys: Collection[str]) -> str:
    """What the state of a customer calls these stages of risk."""
    return sha256(f"{_FORM} {text_array(sorted(keys))}".encode()).hexdigest()


def keep_episodes(
    tenant: TenantRef,
    *,
    enough: Callable[[], bool] = lambda: False,
    clock: Callable[[], dt.datetime] = timezone.now,
) -> int:
    """Keep the episodes of customers of whom not all that can be are, a batch a transaction; of how many customers.

    Call outside of any transaction. Raises TurnTaken while someone else makes stays.
    """
    total = 0
    while not enough():
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            take_turn(tenant, waits=False)
            behind = _keep_batch(tenant, now=clock())
        total += len(behind)
        if len(behind) < BATCH:
            break
    return total


def count_wrong_episodes(customer_ids: Sequence[UUID], *, tenant: TenantRef) -> int:
    """Of how many of these customers an episode is kept that is not what history, notes and tasks say, or it is not
    known which others there are.

    Two statements. Call inside the tenant's context.
    """
    try:
        parameters = _parameters(tenant, now=timezone.now())
    except NoConfiguration:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_WRONG, parameters | {"customer_ids": plain_array(customer_ids)})
        ((count,),) = cursor.fetchall()
    return int(count)


def _parameters(tenant: TenantRef, *, now: dt.datetime) -> dict[str, Any]:
    keys = Stages.of(live_policy(tenant.id), tenant).of_category(RISK)
    return {"tenant_id": tenant.id, "stages": text_array(keys), "risk": name_stages(keys), "now": now, "batch": BATCH}


def _keep_batch(tenant: TenantRef, *, now: dt.datetime) -> Sequence[UUID]:
    try:
        parameters = _parameters(tenant, now=now)
    except NoConfiguration:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(queries.BEHIND, parameters)
        behind = [customer_id for (customer_id,) in cursor.fetchall()]
        if behind:
            parameters["customer_ids"] = plain_array(behind)
            for statement in (_FORGET, _KEEP, _NOTE):
                cursor.execute(statement, parameters)
    return behind
