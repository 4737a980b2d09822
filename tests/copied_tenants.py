"""Tenants like one that the services have made: the same rows under ids and times of their own, in one statement. Their
people in another.

Nearly every test takes a fresh tenant and its people, and few of them are about how those are made. The first tenant of
each configuration is made by the services, and its rows are kept; tests/shape/test_copied_tenants.py holds a copy, and
people, to what they make.
"""

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import Role
from tenants.services.accounts.people import group_name

READ = """
SELECT jsonb_build_object(
  'tenant', (SELECT to_jsonb(t) FROM tenants_tenant t WHERE t.id = %(id)s),
  'groups', (SELECT jsonb_agg(g.name ORDER BY g.id) FROM auth_group g WHERE starts_with(g.name, %(groups)s)),
  'grants', (SELECT jsonb_agg(jsonb_build_object('name', g.name, 'permission_id', p.permission_id) ORDER BY p.id)
               FROM tenants_tenantgroupobjectpermission p JOIN auth_group g ON g.id = p.group_id
              WHERE p.content_object_id = %(id)s),
  'entries', (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.id) FROM audit_administration e WHERE e.tenant_id = %(id)s),
  'versions', (SELECT jsonb_agg(to_jsonb(v)) FROM tenants_configurationversion v WHERE v.tenant_id = %(id)s),
  'stages', (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.id) FROM tenants_stage s WHERE s.tenant_id = %(id)s)
)::text
"""
WRITE = """
WITH made AS (
  SELECT %s::jsonb AS rows
), tenant AS (
  INSERT INTO tenants_tenant SELECT r.* FROM made, jsonb_populate_record(NULL::tenants_tenant, rows->'tenant') r
), groups AS (
  INSERT INTO auth_group (name) SELECT name FROM made, jsonb_array_elements_text(rows->'groups') name RETURNING id, name
), grants AS (
  INSERT INTO tenants_tenantgroupobjectpermission (content_object_id, group_id, permission_id)
  SELECT (rows->'tenant'->>'id')::uuid, groups.id, g.permission_id
    FROM made, jsonb_to_recordset(rows->'grants') g(name text, permission_id int) JOIN groups USING (name)
), entries AS (
  INSERT INTO audit_administration
  SELECT r.* FROM made, jsonb_populate_recordset(NULL::audit_administration, rows->'entries') r
), versions AS (
  INSERT INTO tenants_configurationversion
  SELECT r.* FROM made, jsonb_populate_recordset(NULL::tenants_configurationversion, rows->'versions') r
)
INSERT INTO tenants_stage
SELECT r.* FROM made, jsonb_populate_recordset(NULL::tenants_stage, rows->'stages') r
"""
COLUMNS = {field.column: field.attname for field in User._meta.concrete_fields}
PEOPLE = f"""
WITH made AS (
  SELECT %s::jsonb AS rows
), people AS (
  INSERT INTO tenants_user ({", ".join(COLUMNS)})
  SELECT {", ".join(COLUMNS)} FROM made, jsonb_populate_recordset(NULL::tenants_user, rows)
)
INSERT INTO tenants_user_groups (user_id, group_id)
SELECT m.id, g.id
  FROM made, jsonb_to_recordset(rows) AS m(id uuid, "group" text) JOIN auth_group g ON g.name = m."group"
"""
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Original:
    """The rows of a tenant as JSON, and what is every tenant's own in them."""

    rows: str
    tenant_id: str
    slug: str
    name: str
    made_at: str
    ids: tuple[str, ...]

    def copy(self, *, slug: str, name: str, now: dt.datetime) -> TenantRef:
        """Another tenant with those rows. One statement."""
        tenant_id: UUID = uuid7()
        own = {
            self.tenant_id: str(tenant_id),
            json.dumps(self.slug): json.dumps(slug),
            json.dumps(self.name): json.dumps(name),
            self.made_at: now.isoformat(),
            # In the order of the originals: rows are listed by their ids.
            **{each: str(uuid7()) for each in self.ids},
        }
        rows = self.rows
        for old, new in own.items():
            rows = rows.replace(old, new)
        with tenant_context(tenant_id), connection.cursor() as cursor:
            cursor.execute(WRITE, [rows])
        return TenantRef(tenant_id, slug)


def keep(tenant: TenantRef) -> Original:
    """What is needed to copy a tenant that was just made."""
    with tenant_context(tenant.id), connection.cursor() as cursor:
        cursor.execute(READ, {"id": tenant.id, "groups": f"tenant:{tenant.id}:"})
        rows = json.loads(cursor.fetchone()[0])
    row = rows["tenant"]
    text = json.dumps({part: found or [] for part, found in rows.items()})
    ids = sorted(set(ID.findall(text)) - {row["id"]})
    return Original(text, row["id"], row["slug"], row["name"], row["created_at"], tuple(ids))


def add_people(people: Sequence[User]) -> None:
    """Save people of one tenant who were just built, each in the group of their role. One statement."""
    rows = [
        {column: getattr(person, name) for column, name in COLUMNS.items()}
        | {"group": group_name(person.tenant_id, Role(person.role))}
        for person in people
    ]
    with tenant_context(people[0].tenant_id), connection.cursor() as cursor:
        cursor.execute(PEOPLE, [json.dumps(rows, default=str)])
    for person in people:
        person._state.adding, person._state.db = False, connection.alias
