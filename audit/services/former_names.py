"""What customers and users were called at a moment. Call inside the tenant's context."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from django.db import connection

from audit.models import FormerName

# Whose name, and when: the key of what ``find_names_then`` answers.
Then = tuple[UUID, dt.datetime]

# What someone of ``wanted`` was called ``at``, if they are called otherwise now.
NAME_THEN: Final = """
     SELECT f.name FROM audit_former_name f
      WHERE f.tenant_id = %s AND f.subject_id = wanted.subject_id AND f.until > wanted.at
      ORDER BY f.until, f.id LIMIT 1
"""
FIND: Final = f"""
SELECT wanted.subject_id, wanted.at, former.name
  FROM unnest(%s::uuid[], %s::timestamptz[]) AS wanted (subject_id, at)
 CROSS JOIN LATERAL ({NAME_THEN}) AS former
"""  # noqa: S608  constants


def find_names_then(wanted: Collection[Then], *, tenant_id: UUID) -> Mapping[Then, str]:
    """The names that were replaced later, by whose and when. Who has kept their name since is absent. One statement."""
    if not wanted:
        return {}
    pairs = list(wanted)
    with connection.cursor() as cursor:
        cursor.execute(FIND, [[subject for subject, _ in pairs], [at for _, at in pairs], tenant_id])
        return {(subject, at): name for subject, at, name in cursor.fetchall()}


def find_formerly_called(key: str, *, most: int) -> list[UUID]:
    """Whose former names have ``key`` in them, a part of what the database's ``sort_key`` makes of a name; of someone
    with several, several times. ``most``: names that are looked at. One statement, along an index.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT search_former_names(%s, %s)", [key, most])
        return [subject for (subject,) in cursor.fetchall()]


def forget_names(subject_id: UUID, *, tenant_id: UUID) -> int:
    """Erase what someone was called before; how many names that were."""
    return FormerName.objects.filter(tenant_id=tenant_id, subject_id=subject_id).delete()[0]
