"""What rules about customers at risk ask: what was known of customers and when, and who is to be looked at."""

from typing import Final

from lifecycle.rules.fields import BILLING, COMPANY, FIELDS, SUPPORT


def _micros(column: str) -> str:
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


# Customers in the order of their ids; those that were erased have no past any more.
CUSTOMERS: Final = """
SELECT s.customer_id FROM customer_lifecycle_status s
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id AND c.erased_at IS NULL
 WHERE s.tenant_id = %(tenant_id)s AND s.customer_id > %(after)s ORDER BY s.customer_id LIMIT %(limit)s
"""
COUNT: Final = """
SELECT count(*), count(DISTINCT c.owner_key) FILTER (WHERE c.owner_key <> '') FROM customer_lifecycle_status s
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id AND c.erased_at IS NULL
 WHERE s.tenant_id = %(tenant_id)s
"""
# A row a customer, its rows as arrays: a driver's work for each row would be the largest part of reading millions.
MOVES: Final = f"""
SELECT customer_id::text, array_agg(to_stage ORDER BY sequence), array_agg(configuration_version ORDER BY sequence),
       array_agg({_micros("effective_at")} ORDER BY sequence), array_agg({_micros("recorded_at")} ORDER BY sequence),
       array_agg(source = 'Configuration' ORDER BY sequence)
  FROM customer_lifecycle_history
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[]) GROUP BY customer_id
"""  # noqa: S608  constants
_CHANGES: Final = """
SELECT customer_id::text, array_agg({at} ORDER BY {column}, id), string_agg(figures::text, ',' ORDER BY {column}, id)
  FROM lifecycle_figurechange
 WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::uuid[]) AND figures ?| %(paths)s::text[]
 GROUP BY customer_id
"""
CHANGES: Final = {
    "effective": _CHANGES.format(at=_micros("effective_at"), column="effective_at"),
    "recorded": _CHANGES.format(at=_micros("recorded_at"), column="recorded_at"),
}
_ALIAS: Final = {COMPANY: "c", BILLING: "b", SUPPORT: "g"}
_COLUMNS: Final = {
    field.path: (_ALIAS[field.part], field.name) for field in FIELDS if field.part in (COMPANY, BILLING, SUPPORT)
}


def present_statement(paths: tuple[str, ...]) -> str:
    """What is known now of these figures: two columns a path, the value as text and since when (microseconds)."""
    columns = []
    for path in paths:
        alias, name = _COLUMNS[path]
        columns.append(f"{alias}.{name}::text")
        columns.append(f"COALESCE(({alias}.field_times->>'{name}')::bigint, {_micros(f'{alias}.occurred_at')})")
    return f"""
SELECT c.id::text, {", ".join(columns)} FROM lifecycle_customer c
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = c.tenant_id AND b.customer_id = c.id
  LEFT JOIN lifecycle_supportfigures g ON g.tenant_id = c.tenant_id AND g.customer_id = c.id
 WHERE c.tenant_id = %(tenant_id)s AND c.id = ANY(%(customer_ids)s::uuid[])
"""  # noqa: S608  columns of the registry of fields


# Whether anything was recorded here before a time: the index of when rows were recorded knows.
HAS_RECORD: Final = """
SELECT EXISTS (SELECT FROM customer_lifecycle_history WHERE tenant_id = %(tenant_id)s AND recorded_at < %(before)s)
"""
# Who has changed since the last look, or is due, in the order of ids.
BEHIND: Final = """
SELECT s.customer_id, s.stage, s.version, c.version, COALESCE(b.version, 0), COALESCE(g.version, 0), s.updated_by,
       s.updated_at
  FROM customer_lifecycle_status s
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id AND c.erased_at IS NULL
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
  LEFT JOIN lifecycle_supportfigures g ON g.tenant_id = s.tenant_id AND g.customer_id = s.customer_id
  LEFT JOIN lifecycle_risk_state r ON r.tenant_id = s.tenant_id AND r.customer_id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s AND s.customer_id > %(after)s
   AND (r.customer_id IS NULL OR r.due_at <= %(now)s
        OR (r.configuration_version, r.status, r.company, r.billing, r.support)
           <> (%(version)s, s.version, c.version, COALESCE(b.version, 0), COALESCE(g.version, 0)))
 ORDER BY s.customer_id LIMIT %(limit)s
"""
# Open proposals of customers that are where they were when they were proposed.
PROPOSALS: Final = """
SELECT f.id, f.customer_id, c.name, c.owner, f.rule, s.stage, f.to_stage, f.reason_code, f.since, f.fired_at,
       f.configuration_version, s.version, b.arr, COALESCE(b.currency, '') AS currency, count(*) OVER () AS total
  FROM lifecycle_risk_firing f
  JOIN customer_lifecycle_status s ON s.tenant_id = f.tenant_id AND s.customer_id = f.customer_id
  JOIN lifecycle_customer c ON c.tenant_id = f.tenant_id AND c.id = f.customer_id AND c.erased_at IS NULL
  LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = f.tenant_id AND b.customer_id = f.customer_id
 WHERE f.tenant_id = %(tenant_id)s AND f.state = 'open' AND s.stage = f.from_stage
   AND (%(owners)s::text[] IS NULL OR c.owner_key = ANY(%(owners)s::text[]))
   AND (%(customer_id)s::uuid IS NULL OR f.customer_id = %(customer_id)s::uuid)
   AND (%(proposal_id)s::uuid IS NULL OR f.id = %(proposal_id)s::uuid)
   AND (%(after_id)s::uuid IS NULL OR (f.fired_at, f.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
 ORDER BY f.fired_at, f.id LIMIT %(limit)s
"""
