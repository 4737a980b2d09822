"""Owners of very many customers have sums of their own: whose stays would take longer to read than a page may.

Who they are is a list (``CountedOwner``), and it is kept with each customer in which owner's sums it is counted. The
list changes at the end of a look of the job, in one transaction with the sums and with who is counted in them: killed
anywhere, either all of it is there or nothing. Who goes to another owner takes the whole past along with the next look
(``keeping``).
"""

from typing import Final
from uuid import UUID

from lifecycle.services.customers.statistics import refresh_statistics
from lifecycle.services.insight.statements import ask, execute
from lifecycle.services.insight.sums import MAKE_OF_OWNERS
from lifecycle.services.insight.turns import take_turn
from storage.cursors import text_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.texts import fold_text

# From so many customers on an owner gets sums, and loses them again with fewer than half as many: one who has about as
# many would else have them made and deleted by turns. Those of fewer are read in 0.3 s (docs/performance.md).
MANY: Final = 5_000

# Owners in whom the list differs from what it is to be, and whether they are in it. Since when nothing of customers was
# recorded, which includes their owners, no one is counted.
_DIFFERENT: Final = """
SELECT COALESCE(x.owner, o.owner), o.owner IS NOT NULL
  FROM (SELECT owner_key AS owner, count(*) AS customers FROM lifecycle_customer
         WHERE tenant_id = %(tenant_id)s AND owner_key <> '' GROUP BY 1 HAVING count(*) >= %(few)s) x
  FULL JOIN (SELECT owner FROM lifecycle_counted_owner WHERE tenant_id = %(tenant_id)s) o ON o.owner = x.owner
 WHERE (x.owner IS NULL OR (o.owner IS NULL AND x.customers >= %(many)s))
   AND (%(since)s::uuid IS NULL
        OR %(since)s::uuid <= (SELECT id FROM lifecycle_figurechange
                                WHERE tenant_id = %(tenant_id)s ORDER BY id DESC LIMIT 1))
 ORDER BY 1
"""
_FORGET: Final = (
    "DELETE FROM lifecycle_owner_fact WHERE tenant_id = %(tenant_id)s AND owner = ANY(%(owners)s::text[])",
    "UPDATE lifecycle_insight_state SET owner = NULL"
    " WHERE tenant_id = %(tenant_id)s AND owner = ANY(%(owners)s::text[])",
    "DELETE FROM lifecycle_counted_owner WHERE tenant_id = %(tenant_id)s AND owner = ANY(%(owners)s::text[])",
)
_ADD: Final = (
    "INSERT INTO lifecycle_counted_owner (tenant_id, owner) SELECT %(tenant_id)s, unnest(%(owners)s::text[])",
    # Not those whom another owner's sums still count: they follow as everyone who goes to another owner.
    """
UPDATE lifecycle_insight_state f SET owner = c.owner_key FROM lifecycle_customer c
 WHERE f.tenant_id = %(tenant_id)s AND c.tenant_id = f.tenant_id AND c.id = f.customer_id
   AND c.owner_key = ANY(%(owners)s::text[]) AND f.owner IS NULL""",
)
_HAS_SUMS: Final = """
SELECT EXISTS (SELECT FROM lifecycle_counted_owner WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s::text)
"""


def choose_owners(tenant: TenantRef, *, since: UUID | None = None, waits: bool = True) -> None:
    """Give sums to the owners who have come to have MANY customers, and take them from those who have few again.

    ``since``: only if something of customers was recorded with such an id, or a later one. One statement, and a dozen
    for a change. Call outside of any transaction. Raises TurnTaken unless it ``waits``.
    """
    asked = {"since": since, "few": MANY // 2, "many": MANY}
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        if not ask(_DIFFERENT, tenant, **asked):
            return
        take_turn(tenant, waits=waits)
        different = ask(_DIFFERENT, tenant, **asked)
        leaving, coming = (
            text_array(owner for owner, is_listed in different if is_listed == is_leaving)
            for is_leaving in (True, False)
        )
        for statement in _FORGET:
            execute(statement, tenant, owners=leaving)
        for statement in _ADD:
            execute(statement, tenant, owners=coming)
        # Else the planner knows of no customer with an owner, and reads all of their stays again for each of them.
        refresh_statistics(["lifecycle_insight_state"])
        for statement in MAKE_OF_OWNERS:
            execute(statement, tenant, owners=coming)
        refresh_statistics(["lifecycle_owner_fact"])


def owner_has_sums(owner: str, *, tenant: TenantRef) -> bool:
    """Whether an owner, in whatever case, has sums. One statement, none for ''. Call inside the tenant's context."""
    if not owner:
        return False
    ((has,),) = ask(_HAS_SUMS, tenant, owner=fold_text(owner))
    return bool(has)
