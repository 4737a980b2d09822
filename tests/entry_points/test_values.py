"""The same values through every entry point: what one keeps, all keep, in one form."""

import csv
import re
from io import StringIO

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from lifecycle.models import BillingFigures, Contact, Customer, DeadLetter
from lifecycle.rules.envelopes import Message, receive
from lifecycle.services.events.processing import CONSUMER, process_events
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import MANAGE_PEOPLE, Role
from tenants.services.accounts.people import PersonChangeRefused, create_user
from tenants.services.accounts.tokens import issue_access
from tests.admin.test_walk import browser
from tests.admin.uploads import press, upload, work
from tests.api.test_credentials import client_with
from tests.api.test_scim import CORE, key_for
from tests.conftest import ApiClient, Browser
from tests.factories import PASSWORD, CustomerFactory, TenantFactory, UserFactory, utc_now

TIME = "2026-03-02T12:00:00Z"
ACCENTED = "Zum Café"
DECOMPOSED = "Zum Cafe\u0301"


def send(tenant, data, *, source="/crm", event_type="customer.created", time=TIME, key=None):
    """An event as its sender wrote it, keys and all."""
    document = {
        "specversion": "1.0",
        "id": orjson.dumps([data, time]).decode()[:250],
        "source": source,
        "type": event_type,
        "tenantid": tenant.slug,
        "time": time,
        "data": data,
    }
    message = Message("customer.created", 0, 1, (key or data["external_id"]).encode(), orjson.dumps(document))
    (result,) = process_events([receive(message)], tenants={tenant.slug: tenant}, actor=CONSUMER, now=utc_now())
    return result.outcome


def by_event(tenant, tmp_path, external_id, **company):
    send(tenant, {"external_id": external_id, **company})


def by_csv(tenant, tmp_path, external_id, **company):
    lines = [["id", *company], [external_id, *company.values()]]
    quoted = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) + "\n" for line in lines)
    import_file(tenant, tmp_path / "a.csv", quoted)


def by_ndjson(tenant, tmp_path, external_id, **company):
    import_file(tenant, tmp_path / "a.ndjson", orjson.dumps({"id": external_id, **company}).decode() + "\n")


def by_api(tenant, tmp_path, external_id, **company):
    item = {"external_id": external_id, "source": "/crm", "time": TIME, **company}
    client = ApiClient()
    manager = UserFactory(tenant=tenant, role=Role.ACCOUNT_MANAGER)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_access(manager).token}")
    answer = client.put("/api/v1/customers", {"items": [item]}, format="json")
    assert answer.status_code == 200, answer.content


def import_file(tenant, path, text):
    path.write_bytes(text.encode())
    try:
        call_command("import_customers", str(path), "--tenant", tenant.slug, stdout=StringIO(), stderr=StringIO())
    except CommandError:
        assert path.with_name(f"{path.stem}.rejected{path.suffix}").exists()


def ids_of(tenant):
    with tenant_context(tenant.id):
        return sorted(Customer.objects.values_list("external_id", flat=True))


every_writer = pytest.mark.parametrize("write", [by_event, by_csv, by_ndjson, by_api])


# An id as it is sent, and as it is kept; None: by no one.
IDS = [
    ("EV-1 ", "EV-1"),
    ("\u00a0EV-1", "EV-1"),
    ("Cafe\u0301-2", "Café-2"),
    ("A  B", "A B"),
    ("ev-1", "ev-1"),
    ("EV\u202e-1", None),
    ("EV\u00ad-1", None),
    ("EV\u0007-1", None),
    ("EV-1\ufe0f", None),
    ("EV-1\u3164", None),
    ("\u2800", None),
    (" ", None),
    ("x" * 151, None),
]
# Names that cannot be kept.
REFUSED = ["   ", "Turned\u202eround", "Turned\u061cround", "bell\u0007", "x" * 201, "\u3164", "\u115f\u1160", "\u2800"]


@every_writer
@pytest.mark.parametrize(("sent", "kept"), IDS)
def test_an_id_is_one_id_whatever_sends_it(tenant, tmp_path, write, sent, kept):
    write(tenant, tmp_path, sent, name="A company")
    assert ids_of(tenant) == ([] if kept is None else [kept])


def test_an_upload_in_the_browser_keeps_the_same_ids_and_names(tenant):
    client = browser(UserFactory(tenant=tenant, role=Role.TENANT_ADMIN))
    lines = [[sent, "A company"] for sent, _ in IDS]
    lines += [[f"c{number}", "A good name"] for number, _ in enumerate(REFUSED)]
    import_in_browser(client, lines)
    kept = {id_ for _, id_ in IDS if id_ is not None} | {f"c{number}" for number, _ in enumerate(REFUSED)}
    assert set(ids_of(tenant)) == kept
    import_in_browser(client, [[f"c{number}", name] for number, name in enumerate(REFUSED)])
    with tenant_context(tenant.id):
        assert set(Customer.objects.values_list("name", flat=True)) == {"A company", "A good name"}


def import_in_browser(client, lines):
    text = StringIO()
    csv.writer(text).writerows([["external_id", "name"], *lines])
    page = upload(client, text.getvalue())
    press(client, page, "import")
    work()


@pytest.mark.parametrize("command", ["export_customer", "erase_customer"])
def test_a_customer_is_found_by_its_id_in_whatever_form(tenant, tmp_path, command):
    by_event(tenant, tmp_path, "Café-2", name="A company")
    by_csv(tenant, tmp_path, "Cafe\u0301-2 ", name="A company")
    assert ids_of(tenant) == ["Café-2"]
    options = ["--reason", "asked for"] if command == "erase_customer" else []
    call_command(command, " Cafe\u0301-2", "--tenant", tenant.slug, *options, stdout=StringIO())


def by_pin(tenant, tmp_path, external_id, **company):
    """What a person says instead of the sources, of a customer that there is."""
    with tenant_context(tenant.id):
        known = Customer.objects.filter(external_id=external_id).exists()
    if not known:
        by_event(tenant, tmp_path, external_id, name="A name of the CRM")
    with tenant_context(tenant.id):
        customer = Customer.objects.get(external_id=external_id)
    client = ApiClient()
    manager = UserFactory(tenant=tenant, role=Role.ACCOUNT_MANAGER)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_access(manager).token}")
    for name, value in company.items():
        body = {"value": value, "reason": "The CRM is wrong."}
        answer = client.put(f"/api/v1/customers/{customer.id}/pins/{name}", body, format="json")
        assert answer.status_code == (400 if name == "name" and value in REFUSED else 200), answer.content


every_namer = pytest.mark.parametrize("write", [by_event, by_csv, by_ndjson, by_api, by_pin])


@every_namer
@pytest.mark.parametrize("invalid", REFUSED)
def test_a_name_that_cannot_be_kept_leaves_the_good_one(tenant, tmp_path, write, invalid):
    write(tenant, tmp_path, "c1", name="A good name", industry="Steel")
    send(tenant, {"external_id": "c1", "name": invalid, "industry": "Glass"}, event_type="customer.updated", time=TIME)
    write(tenant, tmp_path, "c1", name=invalid, industry="Steel")
    with tenant_context(tenant.id):
        assert Customer.objects.get().name == "A good name"


@every_namer
def test_an_emoji_in_a_name_is_kept(tenant, tmp_path, write):
    write(tenant, tmp_path, "c1", name="Heart \u2764\ufe0f Ltd")
    with tenant_context(tenant.id):
        assert Customer.objects.get().name == "Heart \u2764\ufe0f Ltd"


@every_namer
@pytest.mark.parametrize("unseen", ["\u3164", "\u2800\u115f", "\ufe0f"])
def test_letters_that_no_one_sees_say_nothing(tenant, tmp_path, write, unseen):
    write(tenant, tmp_path, "c1", name="A company", industry=unseen, segment=f" {unseen} ")
    with tenant_context(tenant.id):
        customer = Customer.objects.get()
        assert (customer.industry, customer.segment) == ("", "")


def test_a_contact_without_a_name_that_can_be_seen_is_called_by_the_address(tenant):
    people = [
        {"name": "\u3164", "email": "sam@sample.example", "role": "\u2800"},
        {"name": "\u115f\u1160"},
        {"name": "Zo\u0065\u0308  Lee "},
    ]
    assert send(tenant, {"external_id": "c1", "name": "A company", "contacts": people}) == "applied"
    with tenant_context(tenant.id):
        kept = [(one.name, one.role) for one in Contact.objects.order_by("position")]
    assert kept == [("sam@sample.example", ""), ("Zoë Lee", "")]


def test_a_note_of_letters_that_no_one_sees_is_empty(tenant, customer, api_client):
    api = api_client("account_manager")
    answer = api.post(f"/api/v1/customers/{customer.id}/notes", {"text": "\u3164\n\u2800"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    moved = api.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": "Onboarded", "note": "\u3164"})
    assert moved.status_code == 200
    assert api.get(f"/api/v1/customers/{customer.id}/lifecycle/history").json()["results"][0]["note"] is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Zo\u0065\u0308  Lee ", "Zoë Lee"),
        ("\u3164", ""),
        ("Turned\u202eround", None),
        ("bell\u0007", None),
        ("x" * 201, None),
    ],
)
def test_a_person_has_one_name_whatever_writes_it(tenant, users, sent, kept):
    """A directory, an admin and an invitation."""
    directory, admin = client_with(key_for(tenant, MANAGE_PEOPLE)), browser(users.tenant_admin)
    zoe, leo = (f"{name}@{tenant.slug}.example" for name in ("zoe", "leo"))
    made = directory.post("/scim/v2/Users", {"schemas": [CORE], "userName": zoe, "displayName": sent})
    assert made.status_code == (400 if kept is None else 201), made.content
    person = users.account_manager
    change = reverse("admin:tenants_user_change", args=[person.id])
    admin.post(change, {"full_name": sent, "role": person.role, "team": "", "is_active": "on"})
    admin.post(reverse("admin:tenants_user_add"), {"username": leo, "full_name": sent, "role": Role.VIEWER})
    with tenant_context(tenant.id):
        rows = User.objects.filter(tenant_id=tenant.id)
        names = dict(rows.values_list("username", "full_name"))
    if kept is None:
        assert names.keys().isdisjoint({zoe, leo})
        assert names[person.username] == person.full_name
    else:
        assert [names[one] for one in (zoe, person.username, leo)] == [kept] * 3


def test_what_is_good_beside_a_bad_value_is_kept(tenant):
    data = {"external_id": "c1", "name": " ", "industry": "Glass", "contacts": [{"name": "Sam", "email": ""}]}
    assert send(tenant, data) == "applied"
    update = {"external_id": "c1", "contacts": [{"name": "Sam", "email": "Sam <sam@sample.example>", "phone": "1"}]}
    assert send(tenant, update, event_type="customer.updated", time="2026-03-02T12:01:00Z") == "applied"
    with tenant_context(tenant.id):
        customer, contact = Customer.objects.get(), Contact.objects.get()
        assert (customer.name, customer.industry) == ("c1", "Glass")
        assert (contact.name, contact.email, contact.phone) == ("Sam", None, "1")


def test_amounts_are_exact_in_their_currency_and_never_rounded(tenant, tmp_path):
    by_event(tenant, tmp_path, "c1", name="One")
    billing = [
        ({"currency": "KWD", "arr": 1234.565}, ("KWD", "1234.565")),
        ({"arr": "0.5"}, ("KWD", "0.500")),
        ({"arr": 1.2345}, ("KWD", "0.500")),
        ({"currency": "JPY", "arr": 1000}, ("JPY", "1000")),
        ({"arr": 999.5}, ("JPY", "1000")),
        ({"currency": "eur", "arr": 999_999_999_999.99}, ("EUR", "999999999999.99")),
        ({"arr": 1_000_000_000_000}, ("EUR", "999999999999.99")),
    ]
    for minute, (sent, (currency, arr)) in enumerate(billing, start=1):
        data = {"external_id": "c1", "billing": sent}
        send(tenant, data, source="/billing", event_type="customer.updated", time=f"2026-03-02T12:{minute:02}:00Z")
        with tenant_context(tenant.id):
            figures = BillingFigures.objects.get()
            assert (figures.currency, str(figures.arr)) == (currency, arr), sent
    import_file(tenant, tmp_path / "b.ndjson", '{"id": "c1", "currency": "KWD", "arr": 1234.565}\n')
    import_file(tenant, tmp_path / "c.csv", 'id,currency,arr\nc2,KWD,"1,234.565"\nc3,EUR,"1,234.565"\nc4,EUR,1e12\n')
    import_file(tenant, tmp_path / "d.csv", "id,currency,arr\nc5,KWD,1234.500\nc6,EUR,1234.565\nc7,KWD,234.565\n")
    with tenant_context(tenant.id):
        rows = BillingFigures.objects.values_list("customer__external_id", "arr").order_by("customer__external_id")
        assert [(id_, str(arr)) for id_, arr in rows] == [("c1", "1234.565"), ("c2", "1234.565"), ("c5", "1234.500")]


def test_no_customer_is_in_a_stage_since_the_year_1(tenant, tmp_path):
    assert send(tenant, {"external_id": "c1", "name": "Zero time"}, time="0001-01-01T00:00:00Z") == "dead"
    import_file(tenant, tmp_path / "a.csv", "id,stage,stage since\nc2,Active,0001-01-01\n")
    assert ids_of(tenant) == []


@pytest.fixture
def cafe():
    """A tenant with an accented stage, and a customer in it."""
    return TenantFactory(
        configuration={
            "stages": ["Prospect", ACCENTED],
            "event_rules": [
                {
                    "event": "customer.updated",
                    "from": [DECOMPOSED],
                    "to": "Prospect",
                    "when": [{"field": "segment", "op": "eq", "value": "Cafe\u0301"}],
                }
            ],
        }
    )


@pytest.mark.parametrize("name", [ACCENTED, DECOMPOSED, f" {DECOMPOSED} "])
def test_a_stage_is_known_by_its_name_in_whatever_form(db, cafe, api_client, page_client, tmp_path, name):
    from tests.conftest import make_people

    people = make_people(cafe)
    api, page = api_client(people.tenant_admin), page_client(people.tenant_admin)
    customer = CustomerFactory(tenant=cafe, external_id="c1")
    CustomerFactory(tenant=cafe, external_id="c3")
    import_file(cafe, tmp_path / "a.ndjson", orjson.dumps({"id": "c2", "stage": name}).decode() + "\n")

    assert api.patch(f"/api/v1/customers/{customer.id}/lifecycle", {"stage": name}).status_code == 200
    listed = api.get("/api/v1/customers", {"stage": name}).json()["results"]
    assert sorted(row["external_id"] for row in listed) == ["c1", "c2"]
    assert {row["stage"] for row in listed} == {ACCENTED}
    shown = page.get("/customers", {"stage": name}).content.decode()
    rows = shown[shown.index("<tbody>") : shown.index("</tbody>")]
    assert set(re.findall(r'href="/customers/([0-9a-f-]{36})', rows)) == {row["id"] for row in listed}

    data = {"external_id": "c1", "segment": "Cafe\u0301"}
    assert send(cafe, data, event_type="customer.updated", time=utc_now().isoformat()) == "applied"
    assert api.get(f"/api/v1/customers/{customer.id}/lifecycle").json()["stage"] == "Prospect"

    body = {"configuration": {"stages": ["Prospect", "Bar"]}, "renamed": {name: "Bar"}}
    assert api.put("/api/v1/configuration", body).status_code == 200
    assert api.get("/api/v1/customers", {"stage": "Bar"}).json()["results"][0]["external_id"] == "c2"


@pytest.mark.parametrize(
    "typed", ["Maria.Lo\u0301pez@{}.Example", "  MARIA.LÓPEZ@{}.example ", "maria.lópez@{}.example"]
)
def test_a_username_is_compared_without_case(tenant, api_client, typed):
    now = utc_now()
    typed = typed.format(tenant.slug)
    person = create_user(
        username=f"Maria.López@{tenant.slug}.example",
        password=PASSWORD,
        role=Role.ACCOUNT_MANAGER,
        tenant=tenant,
        now=now,
    )
    anonymous = api_client(None)
    answer = anonymous.post("/api/v1/auth/token", {"username": typed, "password": PASSWORD})
    assert answer.status_code == 200
    page = Browser()
    assert page.post("/login", {"username": typed, "password": PASSWORD}).status_code == 302
    with pytest.raises(PersonChangeRefused), tenant_context(tenant.id):
        from tenants.services.accounts.invitations import invite_user
        from tests.factories import ADMIN_ACTOR

        invite_user(username=typed, full_name="", role=Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=now)
    with tenant_context(tenant.id):
        assert User.objects.filter(tenant_id=tenant.id, username=person.username).count() == 1

    send(tenant, {"external_id": "c1", "owner": f"MARIA.lópez@{tenant.slug}.EXAMPLE"})
    own = api_client(person)
    assert [row["external_id"] for row in own.get("/api/v1/customers", {"owner": typed}).json()["results"]] == ["c1"]
    customer = own.get("/api/v1/customers").json()["results"][0]["id"]
    answer = own.patch(f"/api/v1/customers/{customer}/lifecycle", {"stage": "Onboarded", "updated_by": typed})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("search", "found"),
    [("muller", "Müller"), ("MÜLLER", "Müller"), ("sao", "São Paulo"), ("strasse", "Straße"), ("Mu\u0308", "Müller")],
)
def test_a_search_forgives_case_and_accents(tenant, api_client, tmp_path, search, found):
    for number, name in enumerate(("Müller", "São Paulo", "Straße", "Smith")):
        by_event(tenant, tmp_path, f"c{number}", name=name)
    viewer = api_client("viewer")
    assert [row["name"] for row in viewer.get("/api/v1/customers", {"search": search}).json()["results"]] == [found]


def test_names_are_listed_as_a_reader_expects(tenant, api_client, tmp_path):
    for number, name in enumerate(("zebra", "Ärzte AG", "Éclair", "Arzneimittel", "Zoo", "Ebene")):
        by_event(tenant, tmp_path, f"c{number}", name=name)
    answer = api_client("viewer").get("/api/v1/customers", {"ordering": "name"}).json()
    assert [row["name"] for row in answer["results"]] == ["Arzneimittel", "Ärzte AG", "Ebene", "Éclair", "zebra", "Zoo"]


def industry_of(customer):
    with tenant_context(customer.tenant_id):
        return Customer.objects.get(id=customer.id).industry


def test_an_id_kept_before_invisible_letters_were_refused_can_still_be_addressed(tenant, api_client, tmp_path):
    kept, new = "EV-1\ufe0f", "EV-2\ufe0f"
    customer = CustomerFactory(tenant=tenant, external_id=kept, name="Kept")
    manager = api_client("account_manager")
    said = {"source": "/crm", "time": TIME, "industry": "Glass"}
    assert manager.get(f"/api/v1/customers/by-external-id/{kept}").json()["id"] == str(customer.id)
    assert manager.put(f"/api/v1/customers/by-external-id/{kept}", said, format="json").status_code == 200
    assert industry_of(customer) == "Glass"
    assert manager.get(f"/api/v1/customers/by-external-id/{new}").status_code == 404
    assert manager.put(f"/api/v1/customers/by-external-id/{new}", said, format="json").status_code == 400
    said = {**said, "time": "2026-03-03T12:00:00Z", "industry": "Steel"}
    items = [{**said, "external_id": kept}, {**said, "external_id": new}, {**said, "external_id": "EV-3"}]
    answer = manager.put("/api/v1/customers", {"items": items}, format="json")
    assert [one["status"] for one in answer.json()["results"]] == [200, 400, 201]
    refused = answer.json()["results"][1]
    detail = "external_id: The value contains the invisible character U+FE0F; remove it."
    assert (refused["code"], refused["errors"]) == (
        "invalid_request",
        [{"pointer": "#/external_id", "detail": detail, "code": "control_character"}],
    )
    assert industry_of(customer) == "Steel"
    later = "2026-03-04T12:00:00Z"
    heard = [
        send(tenant, {"external_id": name, "industry": "Wood"}, event_type="customer.updated", time=later)
        for name in (kept, new)
    ]
    assert heard == ["applied", "dead"]
    with tenant_context(tenant.id):
        letter = DeadLetter.objects.get()
    sentence = (
        "“Customer's ID in your systems” (data.external_id) contains the invisible character U+FE0F; remove it. Have"
        " its sender correct it, and send the event again."
    )
    assert (letter.code, letter.sentence) == ("invalid_data", sentence)
    assert industry_of(customer) == "Wood"
    by_event(tenant, tmp_path, new, name="New")
    by_csv(tenant, tmp_path, new, name="New")
    assert ids_of(tenant) == [kept, "EV-3"]
    call_command("erase_customer", kept, "--tenant", tenant.slug, "--reason", "asked for", stdout=StringIO())
    with tenant_context(tenant.id):
        assert Customer.objects.get(id=customer.id).erased_at is not None
