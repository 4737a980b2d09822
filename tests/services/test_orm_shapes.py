"""A query that forgot its filter reaches nothing of another tenant, in whatever shape it comes.

Each shape is a function that asks for everything and answers how many rows it reached. It runs in the context of a
tenant with two customers, beside another tenant with three; without any context; and, as the control that it could
fail, in a transaction in which the policies have been taken away and that is rolled back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dj_database_url
import pytest
from django.conf import settings
from django.db import ProgrammingError, connections, transaction
from django.db.models import Count, Exists, F, OuterRef, Sum
from psycopg.errors import FeatureNotSupported, InsufficientPrivilege

from lifecycle.models import BillingFigures, Contact, Customer, CustomerLifecycleStatus
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import Stage
from tests.factories import utc_now

OURS, THEIRS = 2, 3


@dataclass(frozen=True)
class Scene:
    """Two tenants side by side, and the customers of both."""

    ours: TenantRef
    theirs: TenantRef
    our_customers: list[Customer]
    their_customers: list[Customer]

    @property
    def all_ids(self) -> list[object]:
        """The ids of the customers of both tenants."""
        return [customer.id for customer in (*self.our_customers, *self.their_customers)]


Shape = Callable[[str, Scene], int]


def count(using: str, scene: Scene) -> int:
    return Customer.objects.using(using).count()


def list_rows(using: str, scene: Scene) -> int:
    return len(Customer.objects.using(using))


def select_related(using: str, scene: Scene) -> int:
    return len(
        [status.customer.name for status in CustomerLifecycleStatus.objects.using(using).select_related("customer")]
    )


def prefetch_related(using: str, scene: Scene) -> int:
    customers = Customer.objects.using(using).prefetch_related("contacts")
    return sum(len(customer.contacts.all()) for customer in customers)


def values_annotate(using: str, scene: Scene) -> int:
    rows = CustomerLifecycleStatus.objects.using(using).values("actor_kind").annotate(customers=Count("pk"))
    return sum(row["customers"] for row in rows)


def raw(using: str, scene: Scene) -> int:
    return len(Customer.objects.raw("SELECT * FROM lifecycle_customer", using=using))


def union(using: str, scene: Scene) -> int:
    ids = Customer.objects.using(using).values_list("id")
    return len(ids.union(Contact.objects.using(using).values_list("customer_id")))


def exists(using: str, scene: Scene) -> int:
    contacts = Contact.objects.using(using).filter(customer_id=OuterRef("pk"))
    return Customer.objects.using(using).filter(Exists(contacts)).count()


def update(using: str, scene: Scene) -> int:
    return Customer.objects.using(using).update(segment=F("segment"))


def delete(using: str, scene: Scene) -> int:
    return Contact.objects.using(using).all().delete()[0]


def in_bulk(using: str, scene: Scene) -> int:
    return len(Customer.objects.using(using).in_bulk(scene.all_ids))


def aggregate(using: str, scene: Scene) -> int:
    return int(BillingFigures.objects.using(using).aggregate(arr=Sum("arr"))["arr"] or 0)


def iterator(using: str, scene: Scene) -> int:
    return sum(1 for _ in Customer.objects.using(using).iterator(chunk_size=1))


def related_of_a_foreign_id(using: str, scene: Scene) -> int:
    return Contact.objects.using(using).filter(customer__in=scene.all_ids).count()


def copy_out(using: str, scene: Scene) -> int:
    with connections[using].cursor() as cursor, cursor.copy("COPY lifecycle_customer TO STDOUT") as rows:
        return sum(1 for _ in rows.rows())


SHAPES: list[Shape] = [
    count,
    list_rows,
    select_related,
    prefetch_related,
    values_annotate,
    raw,
    union,
    exists,
    update,
    delete,
    in_bulk,
    aggregate,
    iterator,
    related_of_a_foreign_id,
    copy_out,
]


def insert_for_another_tenant(using: str, scene: Scene) -> None:
    Stage.objects.using(using).create(tenant_id=scene.theirs.id, name="Smuggled", position=9, category="engaged")


def bulk_insert_for_another_tenant(using: str, scene: Scene) -> None:
    Stage.objects.using(using).bulk_create(
        [Stage(tenant_id=scene.theirs.id, name="Smuggled", position=9, category="engaged")]
    )


def upsert_onto_a_hidden_row(using: str, scene: Scene) -> None:
    Stage.objects.using(using).bulk_create(
        [Stage(tenant_id=scene.theirs.id, name="Prospect", position=9, category="lost")],
        update_conflicts=True,
        unique_fields=["tenant", "name"],
        update_fields=["category"],
    )


def move_a_row_to_another_tenant(using: str, scene: Scene) -> None:
    stage = Stage.objects.using(using).filter(tenant_id=scene.ours.id, name="Churned")
    stage.update(tenant_id=scene.theirs.id, name="Smuggled")


WRITES = [
    insert_for_another_tenant,
    bulk_insert_for_another_tenant,
    upsert_onto_a_hidden_row,
    move_a_row_to_another_tenant,
]


def make_customers(tenant: TenantRef, number: int) -> list[Customer]:
    """Customers with one contact each and one unit of revenue each, so that every shape counts customers."""
    now = utc_now()
    facts = [
        CustomerFacts(
            external_id=f"crm-{i}",
            source="/crm",
            occurred_at=now,
            company={"name": f"Company {i}"},
            contacts=[ContactFacts(name="Ann")],
            billing={"currency": "EUR", "arr": "1.00"},
        )
        for i in range(number)
    ]
    with tenant_context(tenant.id):
        record_customers(facts, tenant=tenant, actor=system_actor("tests"), source="Import", now=now, create=True)
        return list(Customer.objects.filter(tenant_id=tenant.id))


@pytest.fixture
def scene(tenant: TenantRef, other_tenant: TenantRef) -> Scene:
    """Our tenant with two customers, the other with three."""
    return Scene(tenant, other_tenant, make_customers(tenant, OURS), make_customers(other_tenant, THEIRS))


@pytest.fixture
def unprotected(db: None) -> Iterator[str]:
    """An alias inside a transaction in which the policies are gone; it acts as c360_app and is rolled back."""
    alias = "unprotected"
    default = connections["default"].settings_dict
    admin = dj_database_url.parse(settings.DATABASE_ADMIN_URL)
    connections.settings[alias] = {**default, **admin, "NAME": default["NAME"], "TEST": default["TEST"]}
    try:
        with transaction.atomic(using=alias):
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace"
                )
                for (table,) in cursor.fetchall():
                    cursor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
                cursor.execute("SET LOCAL ROLE c360_app")
            yield alias
            transaction.set_rollback(True, using=alias)
    finally:
        connections[alias].close()
        del connections.settings[alias]
        del connections[alias]


@contextmanager
def undone(scene: Scene, using: str) -> Iterator[None]:
    """Whatever our tenant does there is taken back."""
    with tenant_context(scene.ours.id, using=using), transaction.atomic(using=using):
        yield
        transaction.set_rollback(True, using=using)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_forgotten_filter_reaches_our_own_rows_only(shape: Shape, scene: Scene) -> None:
    with tenant_context(scene.ours.id):
        assert shape("default", scene) == OURS
    with tenant_context(scene.theirs.id):
        assert shape("default", scene) == THEIRS


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_without_a_tenant_there_is_nothing(shape: Shape, scene: Scene) -> None:
    with transaction.atomic():
        assert shape("default", scene) == 0
    with tenant_context(scene.theirs.id):
        assert Contact.objects.count() == THEIRS


def test_each_shape_leaks_once_the_policies_are_gone(scene: Scene, unprotected: str) -> None:
    found = {}
    for shape in SHAPES:
        with undone(scene, unprotected):
            found[shape.__name__] = shape(unprotected, scene)
    assert {name: rows for name, rows in found.items() if rows < OURS + THEIRS} == {} and len(found) == len(SHAPES)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_no_one_writes_for_another_tenant(write: Callable[[str, Scene], None], scene: Scene) -> None:
    with tenant_context(scene.ours.id):
        with pytest.raises(ProgrammingError, match="row-level security policy") as refusal, transaction.atomic():
            write("default", scene)
        assert isinstance(refusal.value.__cause__, InsufficientPrivilege)
    with tenant_context(scene.theirs.id):
        assert not Stage.objects.filter(name__in=["Smuggled", "Prospect"]).exists()


@pytest.mark.parametrize("write", WRITES[:3], ids=lambda write: write.__name__)
def test_no_one_writes_without_a_tenant(write: Callable[[str, Scene], None], scene: Scene) -> None:
    with pytest.raises(ProgrammingError, match="row-level security policy"):
        write("default", scene)


def test_each_write_succeeds_once_the_policies_are_gone(scene: Scene, unprotected: str) -> None:
    for write in WRITES:
        with undone(scene, unprotected):
            write(unprotected, scene)
            theirs = Stage.objects.using(unprotected).filter(tenant_id=scene.theirs.id)
            assert theirs.filter(name__in=["Smuggled", "Prospect"]), write.__name__


def test_no_one_copies_rows_in(scene: Scene) -> None:
    with tenant_context(scene.ours.id):
        with (
            pytest.raises(FeatureNotSupported, match="COPY FROM not supported with row-level security"),
            transaction.atomic(),
            connections["default"].cursor() as cursor,
            cursor.copy("COPY tenants_stage FROM STDIN") as rows,
        ):
            rows.write_row([])
        assert Stage.objects.count() == 5


def test_a_stage_of_another_tenant_is_no_stage_even_in_sql(scene: Scene) -> None:
    status = CustomerLifecycleStatus.objects.filter(customer_id=scene.our_customers[0].id)
    with tenant_context(scene.ours.id):
        for stage in ("Trial", "Anything"):
            with pytest.raises(Exception, match="customer_lifecycle_status_tenant_id_stage_fk"), transaction.atomic():
                status.update(stage=stage)
        assert status.get().stage == "Prospect"


def test_a_contact_cannot_point_at_another_tenants_customer(scene: Scene) -> None:
    with tenant_context(scene.ours.id):
        contacts = Contact.objects.filter(customer_id=scene.our_customers[0].id)
        with pytest.raises(Exception, match="lifecycle_contact_tenant_id_customer_id_fk"), transaction.atomic():
            contacts.update(customer_id=scene.their_customers[0].id)


def test_search_finds_our_own_customers_only(scene: Scene) -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        assert _found(cursor, "company") == 0
        with tenant_context(scene.ours.id):
            assert [_found(cursor, text) for text in ("company", "co", "CRM-", "%", "_", "'; --")] == [2, 2, 2, 0, 0, 0]
        with tenant_context(scene.theirs.id):
            assert _found(cursor, "company") == THEIRS


def _found(cursor: object, text: str) -> int:
    cursor.execute("SELECT count(*) FROM search_customers(%s)", [text])  # type: ignore[attr-defined]
    return int(cursor.fetchone()[0])  # type: ignore[attr-defined]
