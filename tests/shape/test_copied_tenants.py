"""A tenant that tests copy holds what the services would have made, in every table that knows of tenants."""

import json
import re

from django.apps import apps
from django.db import connection
from uuid_utils.compat import uuid7

from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tests.conftest import make_people
from tests.copied_tenants import COLUMNS, ID, keep
from tests.factories import PASSWORD, SAAS, UserFactory, make_tenant, utc_now

# What Redis is still to be rid of: nothing, of a tenant that no one has read. Grants are read by name, below.
PASSING = {"lifecycle_stalecopies", "tenants_tenantgroupobjectpermission"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


def rows_of(tenant: TenantRef) -> dict[str, list[str]]:
    """Every row of a tenant, table by table, without what is every tenant's own."""
    found = {}
    with tenant_context(tenant.id), connection.cursor() as cursor:
        for model in apps.get_models():
            table, names = model._meta.db_table, {field.column for field in model._meta.local_concrete_fields}
            key = next((name for name in ("tenant_id", "content_object_id") if name in names), None)
            if table in PASSING or (key is None and table != "tenants_tenant"):
                continue
            order = "name" if "name" in names else "id" if "id" in names else key
            cursor.execute(
                f"SELECT to_jsonb(t) - 'group_id'::text - CASE jsonb_typeof(to_jsonb(t)->'id') WHEN 'number' THEN 'id'"
                f" ELSE '' END FROM {table} t WHERE {key or 'id'} = %s ORDER BY {order}",
                [tenant.id],
            )
            found[table] = [_anonymous(row, tenant) for (row,) in cursor.fetchall()]
        cursor.execute(
            "SELECT g.name, p.codename FROM auth_group g"
            " JOIN tenants_tenantgroupobjectpermission t ON t.group_id = g.id"
            " JOIN auth_permission p ON p.id = t.permission_id WHERE t.content_object_id = %s ORDER BY 1, 2",
            [tenant.id],
        )
        found["grants"] = [_anonymous(list(row), tenant) for row in cursor.fetchall()]
    return {table: rows for table, rows in found.items() if rows}


def _anonymous(row: object, tenant: TenantRef) -> str:
    text = row if isinstance(row, str) else json.dumps(row, sort_keys=True)
    return MOMENT.sub(
        "(moment)", ID.sub("(id)", text.replace(str(tenant.id), "(tenant)").replace(tenant.slug, "(slug)"))
    )


def test_a_copy_of_a_tenant_holds_what_the_services_would_have_made(db: None) -> None:
    slugs = [f"t-{uuid7().hex[-16:]}" for _ in range(3)]
    first, second = (make_tenant(name="Company", slug=slug, configuration=SAAS) for slug in slugs[:2])
    copied = keep(first).copy(slug=slugs[2], name="Company", now=utc_now())
    made = rows_of(second)
    assert {"tenants_tenant", "tenants_stage", "tenants_configurationversion", "audit_administration"} < set(made)
    assert (len(made["tenants_stage"]), len(made["audit_administration"]), len(made["grants"])) == (6, 2, 12)
    assert rows_of(copied) == made == rows_of(first)


def test_a_copy_has_ids_a_name_and_times_of_its_own(db: None) -> None:
    first = make_tenant(name="Company 1", slug=f"t-{uuid7().hex[-16:]}", configuration=SAAS)
    original, now = keep(first), utc_now()
    copied = original.copy(slug=f"t-{uuid7().hex[-16:]}", name='A "quoted" name', now=now)
    rows = json.loads(keep(copied).rows)
    assert (rows["tenant"]["name"], rows["tenant"]["slug"]) == ('A "quoted" name', copied.slug)
    assert {row["recorded_at"] for row in rows["entries"]} == {rows["tenant"]["created_at"]}
    assert MOMENT.fullmatch(rows["tenant"]["created_at"])
    assert not {first.slug, *original.ids, original.tenant_id, original.made_at} & set(
        re.findall(r'[^" ]+', keep(copied).rows)
    )
    assert [row["action"] for row in rows["entries"]] == ["create_tenant", "publish_configuration"]


def test_people_of_a_copied_tenant_are_as_the_services_make_them(db: None, tenant: TenantRef) -> None:
    people = make_people(tenant)
    for person in (people.viewer, people.account_manager, people.tenant_admin, people.service):
        made = UserFactory(
            tenant=tenant, role=person.role, full_name=person.full_name, is_service_account=person.is_service_account
        )
        with tenant_context(tenant.id):
            copied, other = (User.objects.get(id=one.id) for one in (person, made))
            groups = [[group.name for group in one.groups.all()] for one in (copied, other)]
        assert groups[0] == groups[1] and len(groups[0]) == 1
        assert (copied, person._state.adding, person._state.db) == (person, False, "default")
        own = {"id", "username", "email", "password", "created_at"}
        for name in COLUMNS.values():
            assert getattr(copied, name) == getattr(person, name), name
            assert name in own or getattr(copied, name) == getattr(other, name), name
        assert copied.check_password(PASSWORD) and other.check_password(PASSWORD)
