"""The search forgives typos, case and accents; what is found as it was typed comes first."""

import pytest

from lifecycle.queries.listing import BEST_MATCH, ListQuery, list_customers
from lifecycle.queries.selection import count_customers, select_customers
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import CustomerFactory, TenantFactory, utc_now

NAMES = {
    "K-1001": "Müller Maschinenbau",
    "K-1002": "Mueller & Sohn GmbH",
    "K-1003": "São Paulo Têxteis",
    "K-1004": "Straßenbau Weiß",
    "K-1005": "Google Ireland",
    "K-1006": "Northwind Traders",
    "K-1007": "Coca-Cola Bottling",
    "K-1008": "Zürich Rückversicherung",
    "K-1009": "Łódź Transport",
    "K-1010": "Wind North Energy",
    "K-1011": "Smith Partners",
    "ACC.2044-X": "Petersen Logistics",
    "MÜN-Gäßle-77": "Isar Brauerei",
}


@pytest.fixture(scope="module")
def searched(django_db_setup, django_db_blocker):
    """A tenant with customers of these names."""
    with django_db_blocker.unblock():
        tenant = TenantFactory()
        for external_id, name in NAMES.items():
            CustomerFactory(tenant=tenant, external_id=external_id, name=name)
        return tenant


def find(tenant, text, **asked):
    with tenant_context(tenant.id):
        query = ListQuery(search=text, ordering=BEST_MATCH, **asked)
        rows = list_customers(query, tenant=tenant, policy=live_policy(tenant.id), now=utc_now()).rows
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Case and accents, either way.
        ("muller", ["Müller Maschinenbau", "Mueller & Sohn GmbH"]),
        ("MÜLLER", ["Müller Maschinenbau", "Mueller & Sohn GmbH"]),
        ("sao", ["São Paulo Têxteis"]),
        ("strasse", ["Straßenbau Weiß"]),
        ("zurich", ["Zürich Rückversicherung"]),
        ("lodz", ["Łódź Transport"]),
        # A sign left out, put in, exchanged, swapped with the next, at the beginning, in the middle and at the end.
        ("Mueler", ["Mueller & Sohn GmbH", "Müller Maschinenbau"]),
        ("gogle", ["Google Ireland"]),
        ("oogle", ["Google Ireland"]),
        ("goolge", ["Google Ireland"]),
        ("gooogle", ["Google Ireland"]),
        ("googel", ["Google Ireland"]),
        ("smyth", ["Smith Partners"]),
        ("nortwind", ["Northwind Traders"]),
        ("cola botling", ["Coca-Cola Bottling"]),
        ("rukversicherung", ["Zürich Rückversicherung"]),
        ("peterson logistics", ["Petersen Logistics"]),
        ("petersen logistcs", ["Petersen Logistics"]),
        # Words in another order, or written apart.
        ("ireland google", ["Google Ireland"]),
        ("north wind", ["Wind North Energy", "Northwind Traders"]),
        # Ids: any part, whatever its case and accents.
        ("044-x", ["Petersen Logistics"]),
        ("2044", ["Petersen Logistics"]),
        ("mun-gassle-77", ["Isar Brauerei"]),
        ("GASSLE-7", ["Isar Brauerei"]),
        ("müngäßle77", []),
        # And where nothing is found, one sign off, of a whole or of a beginning.
        ("mun-gasle-77", ["Isar Brauerei"]),
        ("mun gassle-77", ["Isar Brauerei"]),
        ("cc.2404-x", []),
        ("acv.204", ["Petersen Logistics"]),
        ("acc2044", ["Petersen Logistics"]),
        ("ac.c20", ["Petersen Logistics"]),
        ("k-1005", ["Google Ireland"]),
        ("acc.2044", ["Petersen Logistics"]),
        ("acc2044-x", ["Petersen Logistics"]),
        ("ACC.2404-X", ["Petersen Logistics"]),
        ("acc.2044-z", ["Petersen Logistics"]),
        # What is not alike is not found, whatever the text has in it.
        ("gargle", []),
        ("xyzxyz", []),
        ("%%%%", []),
        ("____", []),
        ("'; --", []),
        ("a" * 200, []),
    ],
)
def test_customers_are_found_as_people_type_them(db, searched, text, found):
    assert sorted(find(searched, text)) == sorted(found)


def test_the_very_name_comes_first_then_beginnings_then_parts_then_what_is_alike(db):
    tenant = TenantFactory()
    for name in ("Bravado", "New Bravo", "Abravo", "Bravo Ltd", "Bravo", "Barvo", "Unrelated"):
        CustomerFactory(tenant=tenant, name=name)
    assert find(tenant, "bravo") == ["Bravo", "Bravo Ltd", "New Bravo", "Abravo", "Barvo"]


def test_where_enough_are_found_as_typed_none_is_added(db):
    tenant = TenantFactory()
    CustomerFactory(tenant=tenant, name="Bravi")
    for number in range(9):
        CustomerFactory(tenant=tenant, name=f"Bravo {number}")
    assert find(tenant, "bravo")[-1] == "Bravi"
    CustomerFactory(tenant=tenant, name="Bravo 9")
    assert "Bravi" not in find(tenant, "bravo")


def test_pages_counts_and_selections_have_the_same_customers(db, searched):
    with tenant_context(searched.id):
        policy, now = live_policy(searched.id), utc_now()
        query = ListQuery(search="muller", ordering=BEST_MATCH, limit=1)
        first = list_customers(query, tenant=searched, policy=policy, now=now)
        rest = ListQuery(search="muller", ordering=BEST_MATCH, limit=1, cursor=first.next_cursor)
        second = list_customers(rest, tenant=searched, policy=policy, now=now)
        assert [row["name"] for row in first.rows + second.rows] == ["Müller Maschinenbau", "Mueller & Sohn GmbH"]
        assert second.next_cursor is None
        assert count_customers(query, tenant=searched, policy=policy, now=now).number == 2
        selected = select_customers(query, tenant=searched, policy=policy, now=now, most=10)
        assert set(selected) == {row["id"] for row in first.rows + second.rows}


def test_what_is_alike_keeps_the_other_conditions_and_the_tenant(db, searched, other_tenant):
    CustomerFactory(tenant=other_tenant, stage="Trial", name="Google Ireland", external_id="K-1005")
    assert find(searched, "gogle", filters={"stage": ("Prospect",)}) == ["Google Ireland"]
    assert find(searched, "gogle", filters={"stage": ("Active",)}) == []
    assert len(find(other_tenant, "gogle")) == 1
    assert find(other_tenant, "k-1006") == ["Google Ireland"]
    assert find(TenantFactory(), "gogle") == []


def test_page_and_api_show_the_best_match_first(db, searched, page_client, api_client):
    from tests.conftest import make_people

    viewer = make_people(searched).viewer
    answer = api_client(viewer).get("/api/v1/customers", {"search": "muller"}).json()
    assert [row["name"] for row in answer["results"]] == ["Müller Maschinenbau", "Mueller & Sohn GmbH"]
    page = page_client(viewer).get("/customers?search=muller&ordering=").content.decode()
    assert page.index("Müller Maschinenbau") < page.index("Mueller &amp; Sohn GmbH")
    assert "best match first" in page
    turned = page_client(viewer).get("/customers?search=muller&ordering=name").content.decode()
    assert turned.index("Mueller &amp; Sohn GmbH") < turned.index("Müller Maschinenbau")
    assert "latest change first" in page_client(viewer).get("/customers?ordering=match").content.decode()


def test_the_palette_searches_as_the_list_does(db, searched, page_client):
    from tests.conftest import make_people

    client = page_client(make_people(searched).viewer)
    found = client.get("/palette?q=muller").content.decode()
    assert found.index("Müller Maschinenbau") < found.index("Mueller &amp; Sohn GmbH")
    assert "Google Ireland" in client.get("/palette?q=gogle").content.decode()


def test_the_export_the_board_the_api_and_the_admin_search_ids_as_the_list_does(db, searched, page_client, api_client):
    from tests.conftest import make_people

    people = make_people(searched)
    for text, name in {"mun-gassle-7": "Isar Brauerei", "acc2044-x": "Petersen Logistics"}.items():
        rows = api_client(people.viewer).get("/api/v1/customers", {"search": text, "count": "true"}).json()
        assert ([row["name"] for row in rows["results"]], rows["total"]) == ([name], 1)
        reader = page_client(people.viewer)
        pages = {
            "/palette?q=": reader.get("/palette", {"q": text}),
            "/customers": reader.get("/customers", {"search": text}),
            "/board": reader.get("/board", {"search": text}),
            "/admin": page_client(people.tenant_admin).get("/admin/lifecycle/customer/", {"q": text}),
        }
        for address, page in pages.items():
            assert (name in page.content.decode(), "Google Ireland" in page.content.decode()) == (True, False), address
        exported = b"".join(reader.get("/customers/export.csv", {"search": text})).decode()
        assert (name in exported, "Google Ireland" in exported) == (True, False)


def test_the_first_hundred_ids_with_a_near_beginning_are_found_on_every_page_and_counted_so(db, tenant):
    for number in range(103):
        CustomerFactory(tenant=tenant, external_id=f"ZQX-77{number:03}", name=f"Firm {number:03}")
    with tenant_context(tenant.id):
        policy, now = live_policy(tenant.id), utc_now()
        query = ListQuery(search="zqy-77", ordering=BEST_MATCH, limit=60)
        first = list_customers(query, tenant=tenant, policy=policy, now=now)
        rest = ListQuery(search="zqy-77", ordering=BEST_MATCH, limit=60, cursor=first.next_cursor)
        rows = first.rows + list_customers(rest, tenant=tenant, policy=policy, now=now).rows
        assert sorted(row["name"] for row in rows) == [f"Firm {number:03}" for number in range(100)]
        assert count_customers(query, tenant=tenant, policy=policy, now=now).number == 100
