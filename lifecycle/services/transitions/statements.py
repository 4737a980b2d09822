"""The statements of the one verb: lock, move, place. Set-based, so that one customer and ten thousand cost the same
number of them. Parameters are named; arrays come as PostgreSQL literals (``storage.cursors``).
"""

from functools import cache
from typing import Final

from audit.services.chain import hash_sql, micros_sql
from audit.services.recording import NOW, record_and_announce
from lifecycle.services.effects.plan import START
from tenants.services.configuration.policies import HOLD_CONFIGURATION

# Rows are locked in id order: overlapping batches queue up behind one another instead of deadlocking. The join comes
# before the first lock of a row, so the configuration is held by then and no publisher comes between a row and its
# stage. What was renamed while this waited for the publisher is read again by the lock.
LOCK: Final = f"""
SELECT s.customer_id::text, s.stage, {micros_sql("s.stage_entered_at")}, {micros_sql("s.updated_at")}, s.updated_by,
       s.actor_kind, s.source, s.reason_code, s.version, held.version
  FROM customer_lifecycle_status s CROSS JOIN {HOLD_CONFIGURATION} AS held(version)
 WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = ANY(%(customer_ids)s::uuid[])
 ORDER BY s.customer_id
   FOR UPDATE OF s
"""  # noqa: S608  constants

# Every column is an array literal; a column that no change uses is '{}' and unnest pads it with NULL.
_INPUT: Final = """
input AS (
    SELECT customer_id, version, history_id, to_stage,
           COALESCE(effective_at, %(now)s::timestamptz) AS effective_at,
           COALESCE(reason_code, '') AS reason_code, COALESCE(on_behalf_of, '') AS on_behalf_of,
           COALESCE(request_id, %(request_id)s::uuid) AS request_id, COALESCE(event_id, '') AS event_id, note,
           COALESCE(depth, 0) AS depth
      FROM unnest(%(customer_ids)s::uuid[], %(versions)s::int[], %(history_ids)s::uuid[], %(to_stages)s::text[],
                  %(effective_at)s::timestamptz[], %(reason_codes)s::text[], %(on_behalf_of)s::text[],
                  %(request_ids)s::uuid[], %(event_ids)s::text[], %(notes)s::bytea[], %(depths)s::smallint[])
        AS i(customer_id, version, history_id, to_stage, effective_at, reason_code, on_behalf_of, request_id, event_id,
             note, depth)
 {condition}
)
"""
# The budget is taken first, and when it has not enough nothing is written: a refusal is an answer and no error.
TAKE: Final = """
SELECT taken, used, wait, reset
  FROM take_updates(%(budget_actor)s::text, %(budget_count)s::int, %(budget_limit)s::int, %(budget_clock)s::float8)
"""
_IF_TAKEN: Final = "WHERE (SELECT taken FROM budget)"
_COUNT: Final = "SELECT count(*) FROM moved"
_COUNT_AND_BUDGET: Final = "SELECT (SELECT count(*) FROM moved), taken, used, wait, reset FROM budget"

_FACTS: Final = {
    "id": "i.history_id",
    "tenant_id": "%(tenant_id)s::uuid",
    "customer_id": "i.customer_id",
    "to_stage": "i.to_stage",
    "effective_at": "i.effective_at",
    "recorded_at": "transaction_timestamp()",
    "changed_by": "%(changed_by)s::text",
    "on_behalf_of": "i.on_behalf_of",
    "actor_kind": "%(actor_kind)s::text",
    "source": "%(source)s::text",
    "reason_code": "i.reason_code",
    "request_id": "i.request_id",
    "event_id": "i.event_id",
    "configuration_version": "%(configuration_version)s::int",
    "note": "i.note",
}

# A history that happened elsewhere is loaded with every change dated by its own time.
_OWN_TIME: Final = "effective_at"


def _also(starts: bool) -> str:
    """What starts nothing is spared the part that would."""
    return f", {START}" if starts else ""


@cache
def move(*, backdated: bool = False, starts: bool = False, takes: bool = False) -> str:
    """Write status, history and outbox of customers that are locked. One row: how many were written.

    ``starts``: their effects as well. ``takes``: if the budget allows it; its answer follows the count.
    """
    changed_at = _OWN_TIME if backdated else NOW
    budget = f"budget AS ({TAKE}), " if takes else ""
    head_hash = hash_sql(
        {
            **_FACTS,
            "changed_at": changed_at,
            "sequence": "s.version + 1",
            "from_stage": "s.stage",
            "previous_hash": "s.head_hash",
        }
    )
    return f"""
WITH {budget}{_INPUT.format(condition=_IF_TAKEN if takes else "")}, moved AS (
    UPDATE customer_lifecycle_status s
       SET stage = i.to_stage, stage_entered_at = i.effective_at, updated_at = {changed_at},
           updated_by = %(changed_by)s::text, actor_kind = %(actor_kind)s::text, source = %(source)s::text,
           reason_code = i.reason_code, version = s.version + 1, head_hash = {head_hash}
      FROM input i
     WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = i.customer_id AND s.version = i.version
    RETURNING i.history_id, s.customer_id, new.version AS sequence, old.stage AS from_stage, i.to_stage,
              i.effective_at, i.on_behalf_of, i.reason_code, i.request_id, i.event_id, i.note, i.depth,
              old.head_hash AS previous_hash, new.head_hash AS hash
), {record_and_announce(changed_at)}{_also(starts)}
{_COUNT_AND_BUDGET if takes else _COUNT}
"""  # noqa: S608  fixed expressions, parameters for every value


@cache
def place(*, backdated: bool = False, starts: bool = False) -> str:
    """As ``move`` for the first row of a customer: no stage before it, nothing to compare with."""
    changed_at = _OWN_TIME if backdated else NOW
    first_hash = hash_sql(
        {
            **_FACTS,
            "changed_at": changed_at,
            "sequence": "1",
            "from_stage": "NULL::text",
            "previous_hash": "''::bytea",
        }
    )
    return f"""
WITH {_INPUT.format(condition="")}, moved AS (
    SELECT i.history_id, i.customer_id, 1 AS sequence, NULL::text AS from_stage, i.to_stage, i.effective_at,
           i.on_behalf_of, i.reason_code, i.request_id, i.event_id, i.note, i.depth, ''::bytea AS previous_hash,
           {first_hash} AS hash
      FROM input i
), placed AS (
    INSERT INTO customer_lifecycle_status
        (id, tenant_id, customer_id, stage, stage_entered_at, updated_at, updated_by, actor_kind, source, reason_code,
         version, head_hash)
    SELECT uuidv7(), %(tenant_id)s::uuid, customer_id, to_stage, effective_at, {changed_at},
           %(changed_by)s::text, %(actor_kind)s::text, %(source)s::text, reason_code, 1, hash
      FROM moved
), {record_and_announce(changed_at)}{_also(starts)}
{_COUNT}
"""  # noqa: S608  fixed expressions, parameters for every value
