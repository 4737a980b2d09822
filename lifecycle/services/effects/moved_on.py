"""Delayed effects look again before they run: they are for customers who have stayed as they were."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from storage.cursors import plain_array, prepared_cursor, text_array
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.effect_kinds import KINDS
from tenants.rules.configuration.errors import InvalidConfiguration
from tenants.services.configuration.policies import policy_of_version

if TYPE_CHECKING:
    from lifecycle.services.effects.queue import Job

MOVED_ON: Final = "left_stage"

# Of entering: the customer has not been moved since, also not away and back. Of leaving: it has not come back.
_MOVED_ON: Final = """
SELECT j.id
  FROM unnest(%(ids)s::uuid[], %(customer_ids)s::uuid[], %(sequences)s::int[], %(left)s::text[])
    AS j(id, customer_id, sequence, left_stage)
 WHERE CASE WHEN j.left_stage = '' THEN NOT EXISTS (
           SELECT FROM customer_lifecycle_status s
            WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = j.customer_id AND s.version = j.sequence)
       ELSE EXISTS (
           SELECT FROM customer_lifecycle_history h
            WHERE h.tenant_id = %(tenant_id)s::uuid AND h.customer_id = j.customer_id AND h.sequence > j.sequence
              AND h.to_stage = j.left_stage) END
"""
_SUPPRESS: Final = f"""
UPDATE lifecycle_effect e SET state = 'suppressed', reason = '{MOVED_ON}', finished_at = clock_timestamp()
  FROM unnest(%(ids)s::uuid[]) AS i(id)
 WHERE e.tenant_id = %(tenant_id)s::uuid AND e.id = i.id
"""  # noqa: S608  constants


def find_configured(job: "Job") -> Effect | None:
    """The effect as the configuration that judged the move says it; None for what no configuration says, and where that
    one was published under older rules than today's: what it started ends when it is delivered.
    """
    if job.kind not in KINDS:
        return None
    try:
        policy = policy_of_version(job.tenant.id, job.configuration_version)
    except InvalidConfiguration:
        return None
    return policy.effect(job.effect)


def drop_moved_on(jobs: "Sequence[Job]") -> "list[Job]":
    """Without the delayed ones whose customer has moved on, which are suppressed. Jobs of one tenant, held.

    No statement unless some are delayed; else one, and one more where some are dropped.
    """
    delayed = [(job, effect) for job in jobs if (effect := find_configured(job)) and effect.delay_minutes]
    if not delayed:
        return list(jobs)
    tenant_id = jobs[0].tenant.id
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _MOVED_ON,
            {
                "tenant_id": tenant_id,
                "ids": plain_array(job.id for job, _ in delayed),
                "customer_ids": plain_array(job.customer_id for job, _ in delayed),
                "sequences": plain_array(job.sequence for job, _ in delayed),
                "left": text_array([job.from_stage or "" if effect.on == "leave" else "" for job, effect in delayed]),
            },
        )
        gone: set[UUID] = {id_ for (id_,) in cursor.fetchall()}
        if gone:
            cursor.execute(_SUPPRESS, {"tenant_id": tenant_id, "ids": plain_array(gone)})
    return [job for job in jobs if job.id not in gone]
