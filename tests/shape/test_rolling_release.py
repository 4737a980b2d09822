"""While a release is rolled out, processes of the former one write into tables that have columns they do not know.

Each table with a tenant's rows is given two such columns, as an additive migration would, and everything that this code
writes is written: by the API, by events, by an import, by a publication, by the operator's commands.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections, models
from django.db.migrations import AddField, Migration
from django.test import override_settings
from psycopg.sql import SQL, Identifier

from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.events.dead_letter_actions import discard_dead_letters, find_dead_letters, replay_dead_letters
from lifecycle.services.events.processing import sweep_parked
from tenants.actors import system_actor
from tenants.checks import check_additive_migrations, find_columns_without_default
from tenants.context import tenant_context
from tenants.services.accounts.api_keys import create_key
from tests import factories
from tests.conftest import make_people
from tests.factories import TenantFactory
from tests.messaging.speaking import RULES, Speaker, outcomes

OPERATOR = system_actor("operator:olga")
# What the stories below are known to write.
WRITTEN = {
    *("lifecycle_customer", "lifecycle_contact", "lifecycle_billingfigures", "lifecycle_supportfigures"),
    *("customer_lifecycle_status", "customer_lifecycle_history", "audit_outbox", "audit_data_key", "audit_seal"),
    *("audit_sealed_row", "audit_refused_attempt", "audit_administration", "lifecycle_inboxevent"),
    *("lifecycle_parkedevent", "lifecycle_deadletter", "lifecycle_idempotentrequest", "lifecycle_stagemigration"),
    *("tenants_stage", "tenants_configurationversion", "tenants_user", "tenants_apikey"),
}
TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id' AND NOT a.attisdropped
 ORDER BY c.relname
"""


@pytest.fixture
def next_release(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    """The schema of a release that is not out yet; the administrator's connection, which sees every row.

    Its tenants are made by the services: a copy of one that was made before has nothing for the new columns.
    """
    monkeypatch.setattr(factories, "_originals", {})
    address = {"conninfo": settings.DATABASE_ADMIN_URL, "dbname": connections["default"].settings_dict["NAME"]}
    # Copies of tenants that were made before would leave the new columns empty.
    factories._originals.clear()
    with psycopg.connect(**address, autocommit=True) as admin:
        tables = [name for (name,) in admin.execute(TABLES)]
        try:
            for table in tables:
                admin.execute(
                    SQL(
                        "ALTER TABLE {} ADD COLUMN next_required text NOT NULL DEFAULT 'kept',"
                        " ADD COLUMN next_optional integer DEFAULT 7"
                    ).format(Identifier(table))
                )
            yield admin
        finally:
            factories._originals.clear()
            for table in tables:
                admin.execute(
                    SQL("ALTER TABLE {} DROP COLUMN next_required, DROP COLUMN next_optional").format(Identifier(table))
                )


def test_rows_of_the_former_release_get_the_defaults_of_columns_it_does_not_know(
    next_release: psycopg.Connection[Any], api_client: Callable[..., Any], tmp_path: Path
) -> None:
    speaker = Speaker(TenantFactory(configuration=RULES))
    tenant = speaker.tenant
    tell_by_events(speaker)
    tell_by_api(speaker, api_client)
    tell_by_file(speaker, tmp_path)
    tell_by_publication(speaker)
    with override_settings(AUDIT_SIGNING_KEY=bytes(range(32))):
        call_command("seal_audit", "--tenant", tenant.slug, stdout=StringIO())

    written = {}
    for (table,) in next_release.execute(TABLES).fetchall():
        rows, defaults = next_release.execute(
            SQL(
                "SELECT count(*), count(*) FILTER (WHERE next_required = 'kept' AND next_optional = 7)"
                " FROM {} WHERE tenant_id = %s"
            ).format(Identifier(table)),
            [tenant.id],
        ).fetchone() or (0, 0)
        assert rows == defaults, f"{rows - defaults} of {rows} rows of {table} lack the default"
        written[table] = rows
    assert {table for table, rows in written.items() if rows} >= WRITTEN, written


def tell_by_events(speaker: Speaker) -> None:
    """Created, updated, moved, parked, released, and dead."""
    person = {"name": "Ann", "email": "ann@vale.example"}
    assert outcomes(speaker.hear(speaker.created("c1", contacts=[person]), speaker.updated("c2", segment="SMB"))) == [
        "applied",
        "parked",
    ]
    assert outcomes(speaker.hear(speaker.created("c2"))) == ["applied", "applied"]
    assert outcomes(speaker.hear(speaker.renewed("c1", minutes=1, arr=5))) == ["applied+moved"]
    assert outcomes(speaker.hear(speaker.renewed("c1", minutes=2, arr=6))) == ["applied"]
    assert outcomes(speaker.hear(speaker.closed("c1", minutes=3, csat=1))) == ["applied+moved"]
    assert outcomes(speaker.hear(speaker.updated("c1", minutes=4, contacts=[person, person]))) == ["applied"]
    assert outcomes(speaker.hear(speaker.renewed("c3", contract_id=5), speaker.renewed("c3", contract_id=6))) == [
        "dead:invalid_data",
        "dead:invalid_data",
    ]
    first, second = find_dead_letters(tenant=speaker.tenant.slug)
    now = dt.datetime.now(dt.UTC)
    assert [replayed.outcome for replayed in replay_dead_letters([first], actor=OPERATOR, now=now)] == ["dead"]
    assert discard_dead_letters([second], reason="a test", actor=OPERATOR, now=now) == 1
    assert outcomes(speaker.hear(speaker.updated("late", minutes=1))) == ["parked"]
    sweep_parked(actor=OPERATOR, now=now, seconds=120)
    assert len(speaker.parked()) == 1


def tell_by_api(speaker: Speaker, api_client: Callable[..., Any]) -> None:
    """Moved with an idempotency key, refused by the rules."""
    people = make_people(speaker.tenant)
    client = api_client(people.account_manager)
    path = f"/api/v1/customers/{speaker.customer('c2').id}/lifecycle"
    body = {"stage": "Active", "note": "by hand"}
    moved = client.patch(path, body, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    assert moved.status_code == 200, moved.content
    assert client.patch(path, {"stage": "Prospect"}, format="json").status_code == 400
    with tenant_context(speaker.tenant.id):
        now = dt.datetime.now(dt.UTC)
        create_key(
            account=people.service,
            name="workflow",
            scopes=["view_lifecycle"],
            expires_at=now + dt.timedelta(days=9),
            tenant=speaker.tenant,
            actor=OPERATOR,
            now=now,
        )


def tell_by_file(speaker: Speaker, folder: Path) -> None:
    path = folder / "customers.csv"
    path.write_text("external_id,name,arr,email\nf1,Vale,12,ann@vale.example\nc1,Acme,13,bo@acme.example\n")
    output = StringIO()
    call_command("import_customers", str(path), "--tenant", speaker.tenant.slug, stdout=output, stderr=StringIO())
    assert "1 created, 1 changed" in output.getvalue()


def tell_by_publication(speaker: Speaker) -> None:
    """A stage goes away, and its customers with it."""
    document = {**RULES, "stages": ["Prospect", "Onboarded", "Active", "Churned"]}
    document |= {"transitions": {"Prospect": ["Active"], "Active": ["Churned"]}, "event_rules": []}
    document |= {"required_reason_codes": ["Churned"], "reason_codes": {}}
    with tenant_context(speaker.tenant.id):
        publish_configuration(
            document,
            tenant=speaker.tenant,
            actor=OPERATOR,
            now=dt.datetime.now(dt.UTC),
            mapping={"At-Risk": "Active"},
        )
    for _ in move_customers(speaker.tenant, now=dt.datetime.now(dt.UTC)):
        pass
    assert speaker.stage("c1") == "Active"


def test_a_column_that_the_former_release_could_not_leave_out_stops_the_check() -> None:
    assert check_additive_migrations() == []
    made = Migration("0009_new", "tenants")
    made.operations = [
        AddField("stage", "wanted", models.IntegerField(default=0)),
        AddField("stage", "optional", models.IntegerField(null=True)),
        AddField("stage", "filled", models.IntegerField(default=0, db_default=0)),
    ]
    assert list(find_columns_without_default([made])) == ["tenants.0009_new adds stage.wanted"]
    made.initial = True
    assert list(find_columns_without_default([made])) == []
