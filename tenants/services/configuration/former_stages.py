"""Stages that are in no configuration any more: what they were called and meant when they went away.

Figures of past days go through them: who came to a stage of the category "lost" was lost, also after that stage has
been merged into another.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection

from storage.database.identity import database_identity
from tenants.actors import TenantRef

# Versions never change, and neither does what went away with them; only the number of tenants is bounded.
KEPT: Final = 2000
_known: OrderedDict[tuple[str, UUID, int], tuple["FormerStage", ...]] = OrderedDict()
_lock = Lock()

# Of two versions that follow each other: what is in the first and, under its name in the second, not in that. A stage
# whose name goes to another one is called differently while it is emptied.
_FORMER: Final = """
SELECT v.number, s.name, v.document->'categories'->>s.name
  FROM (SELECT number, document, lead(number) OVER versions AS next, lead(document) OVER versions AS next_document,
               lead(renamed) OVER versions AS renamed
          FROM tenants_configurationversion
         WHERE tenant_id = %(tenant_id)s AND number <= %(live)s WINDOW versions AS (ORDER BY number)) v
 CROSS JOIN LATERAL jsonb_array_elements_text(v.document->'stages') AS s(name)
 WHERE v.next IS NOT NULL AND NOT v.next_document->'stages' ? COALESCE(v.renamed->>s.name, s.name)
 ORDER BY v.number, s.name
"""


class FormerStage(NamedTuple):
    """``version``: the last one that had the stage. ``category``: what it meant there."""

    version: int
    name: str
    category: str


def read_former_stages(tenant: TenantRef, *, live: int) -> tuple[FormerStage, ...]:
    """The stages that went away with the versions up to ``live``, which may have come again; the first gone first.

    One statement the first time in this process, none afterwards. Call inside the tenant's context.
    """
    key = (database_identity(), tenant.id, live)
    found = _known.get(key)
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(_FORMER, {"tenant_id": tenant.id, "live": live})
            found = tuple(FormerStage(*row) for row in cursor.fetchall())
        with _lock:
            _known[key] = found
            while len(_known) > KEPT:
                _known.popitem(last=False)
    return found
