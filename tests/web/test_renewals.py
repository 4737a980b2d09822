"""Renewals: what is due and overdue, what past months have kept, the calendar that programs read, and the handover."""

import datetime as dt
import re
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from lifecycle.models import CalendarFeed, FigureChange
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.work import calendar_feeds, notes, renewed, tasks
from lifecycle.services.work.calendar_feeds import MOST_AN_HOUR, make_feed
from lifecycle.services.work.handover import LATEST_NOTES
from lifecycle.services.work.icalendar import LONGEST_LINE, escape, write_calendar
from lifecycle.services.work.renewals import KEPT, Month, Retention, measure_retention, months_before
from lifecycle.services.work.renewed import COUNT, RENEWED, count_renewed, list_renewed
from lifecycle.web.views import renewals as web_renewals
from tenants.context import tenant_context
from tenants.models import User
from tenants.services.configuration.policies import live_policy
from tests.factories import ADMIN_ACTOR, SAAS, TenantFactory, utc_now
from tests.messaging.speaking import Speaker
from tests.plans import count_rows_read, forget_others
from tests.services.threads import Meeting, run_together
from tests.web.conftest import text_of
from tests.web.test_work import by

# A hundred customers whose revenue was reported a year ago and this spring.
REPORTED = """
WITH customers AS (SELECT md5(%(of)s || '/' || n)::uuid AS id FROM generate_series(1, 100) n),
reports AS (
    INSERT INTO lifecycle_figurechange (id, tenant_id, customer_id, effective_at, recorded_at, source, figures)
    SELECT uuidv7(), %(tenant)s, id, at, at, '/billing', '{"billing.arr": "900"}'
      FROM customers, (VALUES (timestamptz '2025-05-01Z'), (timestamptz '2026-03-15Z')) AS r(at)
), statuses AS (
    INSERT INTO customer_lifecycle_status (id, tenant_id, customer_id, stage, stage_entered_at, updated_at, updated_by,
                                           actor_kind, source, reason_code, version, head_hash)
    SELECT uuidv7(), %(tenant)s, id, 'Live', now(), now(), '', 'system', 'Import', '', 1, '' FROM customers
)
INSERT INTO lifecycle_billingfigures (customer_id, tenant_id, currency, arr, contract_id, source, event_id, occurred_at,
                                      field_times)
SELECT id, %(tenant)s, 'EUR', 900, '', '/billing', '', now(), '{}' FROM customers
"""
# Twenty reports of each customer before all of that.
EARLIER = """
INSERT INTO lifecycle_figurechange (id, tenant_id, customer_id, effective_at, recorded_at, source, figures)
SELECT uuidv7(), %(tenant)s, customer_id, at, at, '/billing', '{"billing.arr": "10", "support.csat": "4"}'
  FROM lifecycle_billingfigures,
       generate_series(timestamptz '2024-01-01Z', timestamptz '2024-01-20Z', interval '1 day') AS r(at)
 WHERE tenant_id = %(tenant)s
"""
# The same customers signed a contract a year ago, and another one in March.
SIGNED = """
WITH customers AS (SELECT n, md5(%(of)s || '/' || n)::uuid AS id FROM generate_series(1, 100) n),
known AS (
    INSERT INTO lifecycle_customer (id, tenant_id, external_id, name, name_key, industry, segment, owner, owner_key,
                                    source, event_id, occurred_at, field_times, created_at, updated_at)
    SELECT id, %(tenant)s, id::text, id::text, id::text, '', '', '', '', '/crm', '', now(), '{}', now(), now()
      FROM customers
)
INSERT INTO lifecycle_figurechange (id, tenant_id, customer_id, effective_at, recorded_at, source, figures)
SELECT uuidv7(), %(tenant)s, id, at, at, '/billing',
       jsonb_build_object('billing.renewal_on', until, 'billing.contract_ends_on', until)
  FROM customers, (VALUES (timestamptz '2025-03-10Z', '2026-03-31'), (timestamptz '2026-03-10Z', '2027-03-31'))
    AS r(at, until)
"""


READ = (
    "lifecycle_figurechange", "lifecycle_billingfigures", "lifecycle_customer", "customer_lifecycle_status",
    "lifecycle_stay",
)  # fmt: skip
LOST_STAGES = {"lost": ["Lost"], "lost_keys": ["0:Lost"]}


@pytest.fixture
def tenant(db):
    """A tenant whose stages have meanings: “Lost” is lost, “Wobbly” at risk."""
    return TenantFactory(configuration=SAAS)


def add(tenant, name, *, renewal_on, stage="Live", arr="1000", owner="", contacts=()):
    now = utc_now()
    reason = "Usage Dropped" if stage == "Wobbly" else "Price" if stage == "Lost" else None
    facts = CustomerFacts(
        external_id=name, source="/crm", occurred_at=now, company={"name": name, "owner": owner},
        billing={"renewal_on": renewal_on, "arr": arr, "currency": "EUR"}, contacts=contacts, stage=stage,
        reason_code=reason,
    )  # fmt: skip
    with tenant_context(tenant.id):
        (one,) = record_customers([facts], tenant=tenant, actor=ADMIN_ACTOR, source="Import", now=now, create=[True])
    return one.customer_id


def unfold(body):
    """The content lines of an iCalendar object, after checking what RFC 5545 asks of its lines."""
    assert body.endswith(b"\r\n") and b"\n" not in body.replace(b"\r\n", b"")
    lines = body[:-2].split(b"\r\n")
    assert all(0 < len(line) <= LONGEST_LINE and line.decode() for line in lines)
    return b"\r\n".join(lines).replace(b"\r\n ", b"").decode().split("\r\n")


def events_of(body):
    """The events of a calendar as dicts, read strictly."""
    lines = unfold(body)
    assert lines[:3] == ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Customer 360//Renewals//EN"]
    assert lines[-1] == "END:VCALENDAR"
    # Without a name programs show the secret address in its place.
    assert {"NAME:Customer 360: Renewals", "X-WR-CALNAME:Customer 360: Renewals"} <= set(lines)
    found, event = [], None
    for line in lines:
        if line == "BEGIN:VEVENT":
            event = {}
        elif line == "END:VEVENT":
            assert {"UID", "DTSTAMP", "DTSTART;VALUE=DATE"} <= event.keys()
            assert re.fullmatch(r"\d{8}T\d{6}Z", event["DTSTAMP"])
            found.append(event)
            event = None
        elif event is not None:
            name, _, value = line.partition(":")
            assert name not in event
            event[name] = value
    return found


def test_a_month_shows_what_is_due_in_it_and_what_is_overdue_without_the_lost(page_client, tenant):
    today = utc_now().date()
    in_month = today.replace(day=28)
    add(tenant, "Aurora", renewal_on=in_month)
    add(tenant, "Lost one", renewal_on=in_month, stage="Lost")
    add(tenant, "Late one", renewal_on=today - dt.timedelta(days=40), stage="Wobbly")
    page = page_client("viewer").get("/renewals")
    shown = text_of(page)
    assert page.status_code == 200
    assert "Aurora" in shown and "Late one" in shown and "Lost one" not in shown
    assert "40 days ago" in shown
    other = (in_month.replace(day=1) + dt.timedelta(days=70)).strftime("%Y-%m")
    assert "Nothing is due in this month." in text_of(page_client("viewer").get(f"/renewals?month={other}"))
    assert "Aurora" not in text_of(page_client("viewer").get("/renewals?whose=mine"))


def test_of_more_that_is_overdue_than_is_listed_it_is_said_that_there_are_more(page_client, tenant, monkeypatch):
    monkeypatch.setattr(web_renewals, "PER_PAGE", 2)
    for number, name in enumerate(["First", "Second", "Third"]):
        add(tenant, f"{name} of the late", renewal_on=utc_now().date() - dt.timedelta(days=60 - number))
        said = text_of(page_client("viewer").get("/renewals?month=2001-03")).partition("Overdue ")[2]
        assert said.startswith(["1 customer ", "2 customers ", "more than 2 customers "][number])
    assert "First of the late" in said and "Second of the late" in said and "Third of the late" not in said


def test_no_text_of_a_customer_is_markup_in_what_is_due(page_client, tenant):
    today, nasty = utc_now().date(), "<b>&\"'"
    add(tenant, nasty, owner=nasty, renewal_on=today, stage="Wobbly")
    page = page_client("viewer").get("/renewals").content.decode()
    escaped = "&lt;b&gt;&amp;&quot;&#x27;"
    assert f'{escaped}</a><span class="under">{escaped}</span>' in page
    assert "<b>" not in page
    assert '<td data-label="Due">' in page and '<span class="under">today</span>' in page
    assert '<td class="number" data-label="Value">€1,000</td>' in page


def test_a_day_with_many_is_counted_in_the_month_and_listed_page_by_page(page_client, tenant):
    for number in range(53):
        add(tenant, f"Company {number:02}", renewal_on=dt.date(2026, 3, 10))
    add(tenant, "The last one", renewal_on=dt.date(2026, 3, 31))
    client = page_client("viewer")
    first = client.get("/renewals?month=2026-03")
    assert "54 customers" in text_of(first) and "53 in all" in text_of(first) and "1 to 50 of 54" in text_of(first)
    # The month names who is due on its last day, on whatever page of the list they are.
    assert "The last one" in text_of(first)
    second = text_of(client.get("/renewals?month=2026-03&page=2"))
    assert "51 to 54 of 54" in second
    day = text_of(client.get("/renewals?month=2026-03&day=2026-03-10&page=9"))
    assert "51 to 53 of 53" in day and "The whole month" in day
    assert "1 to 50 of 54" in text_of(client.get("/renewals?month=2026-03&day=2026-04-01&page=x"))


def test_of_a_day_on_which_nothing_is_due_it_is_not_said_that_nothing_is_in_the_month(page_client, tenant):
    add(tenant, "Aurora", renewal_on=dt.date(2026, 3, 10))
    client = page_client("viewer")
    empty = text_of(client.get("/renewals?month=2026-03&day=2026-03-11"))
    assert "1 customer" in empty and "Nothing is due in this month." not in empty
    assert "The whole month No customers match." in empty
    day = text_of(client.get("/renewals?month=2026-03&day=2026-03-10"))
    assert "Due 10 Mar 2026" in day and "Due in this month" not in day
    assert "Due in this month" in text_of(client.get("/renewals?month=2026-03"))


def test_gross_and_net_retention_are_exact(tenant, db):
    month = Month(2026, 3)
    before, within = (dt.datetime(2026, number, 15, tzinfo=dt.UTC) for number in (2, 3))
    for name, start, end, stage in (
        ("Grown", "1000", "1500", "Live"),
        ("Shrunk", "1000", "600", "Live"),
        ("Gone", "500", "500", "Lost"),
        ("New", None, "900", "Live"),
    ):
        customer_id = add(tenant, name, renewal_on=None, stage=stage, arr=end)
        with tenant_context(tenant.id):
            FigureChange.objects.filter(customer_id=customer_id).delete()
            for at, arr in ((before, start), (within, end)):
                if arr is not None:
                    FigureChange.objects.create(
                        tenant_id=tenant.id, customer_id=customer_id, effective_at=at, recorded_at=at,
                        source="/billing", figures={"billing.arr": arr},
                    )  # fmt: skip
            if stage == "Lost":
                from lifecycle.models import CustomerLifecycleStatus

                CustomerLifecycleStatus.objects.filter(customer_id=customer_id).update(stage_entered_at=within)
    with tenant_context(tenant.id):
        kept = measure_retention(months_before(month.plus(3), 4), tenant=tenant, policy=live_policy(tenant.id))
    # In February none began with revenue; from April on the new one counts too, and the lost one no longer does.
    april, may = (
        Retention(later, "EUR", 3, Decimal(3000), Decimal(3000), Decimal(3000))
        for later in (month.plus(1), month.plus(2))
    )
    assert kept == [may, april, Retention(month, "EUR", 3, Decimal(2500), Decimal(1600), Decimal(2100))]
    assert (kept[-1].gross, kept[-1].net) == (Decimal("64.0"), Decimal("84.0"))


def test_what_retention_reads_grows_with_the_customers_and_no_faster(tenant, superuser):
    """Every customer was once compared with every other: the planner takes reports that name a figure for few."""
    months = months_before(Month(2026, 7), 6)
    given = {"tenant_id": tenant.id, "timestamps": [month.first for month in reversed(months)], **LOST_STAGES}
    forget_others(superuser, tenant.id, READ)
    read = []
    for number in (1, 2):
        superuser.execute(REPORTED, {"tenant": tenant.id, "of": number})
        superuser.execute("ANALYZE lifecycle_figurechange, lifecycle_billingfigures, customer_lifecycle_status")
        with superuser.cursor() as cursor:
            read.append(count_rows_read(cursor, KEPT, given))
    # Of whole pages it may read some rows twice; with every other customer it would be four times as many.
    assert read[1] < 3 * read[0]


def test_what_retention_reads_does_not_grow_with_what_was_reported_before(tenant, superuser):
    months = months_before(Month(2026, 7), 6)
    given = {"tenant_id": tenant.id, "timestamps": [month.first for month in reversed(months)], **LOST_STAGES}
    forget_others(superuser, tenant.id, READ)
    superuser.execute(REPORTED, {"tenant": tenant.id, "of": 1})
    kept = [superuser.execute(KEPT, given).fetchall()]
    read = []
    # A table of a few pages it may well read whole: so there is a past in both.
    for _ in range(2):
        superuser.execute(EARLIER, {"tenant": tenant.id})
        superuser.execute("ANALYZE lifecycle_figurechange, lifecycle_billingfigures, customer_lifecycle_status")
        with superuser.cursor() as cursor:
            read.append(count_rows_read(cursor, KEPT, given, of="lifecycle_figurechange"))
            kept.append(cursor.execute(KEPT, given).fetchall())
    # Of each customer the last report before the months, and the one in March.
    assert read == [200, 200]
    assert kept[0] == kept[1] == kept[2] and {row[2:] for row in kept[0]} == {(100, 90000, 90000, 90000)}


def test_what_a_page_of_renewed_contracts_reads_grows_neither_with_the_month_nor_with_the_past(tenant, superuser):
    given = {"tenant_id": tenant.id, "start": dt.date(2026, 3, 1), "end": dt.date(2026, 4, 1), "owner": ""}
    forget_others(superuser, tenant.id, READ)
    read, counted = [], []
    # A hundred contracts in the month, a thousand, and those with a past.
    for numbers in (range(1), range(1, 10), ()):
        for number in numbers:
            superuser.execute(REPORTED, {"tenant": tenant.id, "of": number})
            superuser.execute(SIGNED, {"tenant": tenant.id, "of": number})
        if not numbers:
            superuser.execute(EARLIER, {"tenant": tenant.id})
        superuser.execute("ANALYZE lifecycle_figurechange, lifecycle_billingfigures, lifecycle_customer")
        with superuser.cursor() as cursor:
            page = given | {"limit": 10, "offset": 0}
            read.append(count_rows_read(cursor, RENEWED, page, of="lifecycle_figurechange"))
            counted.append(cursor.execute(COUNT, given | {"most": 150}).fetchone()[0])
    # The ten, and of each the date and the revenue before it. Of a small month it may well read all.
    assert read[0] <= 300 and read[1:] == [30, 30]
    assert counted == [100, 150, 150]


def test_more_contracts_than_a_page_has_are_counted_once_and_again_when_a_customer_changes(page_client, tenant):
    def sign(customer_id):
        for year in (2025, 2026):
            at, until = dt.datetime(year, 3, 10, tzinfo=dt.UTC), f"{year + 1}-03-31"
            FigureChange.objects.create(
                tenant_id=tenant.id, customer_id=customer_id, effective_at=at, recorded_at=at, source="/billing",
                figures={"billing.renewal_on": until, "billing.contract_ends_on": until},
            )  # fmt: skip

    def look(page):
        with CaptureQueriesContext(connection) as captured:
            shown = text_of(client.get(f"/renewals?month=2026-03&renewed={page}"))
        return shown, len(captured)

    client, ids = page_client("viewer"), [add(tenant, f"Company {n:02}", renewal_on=None) for n in range(52)]
    with tenant_context(tenant.id):
        for customer_id in ids:
            sign(customer_id)
    first, statements = look(1)
    assert "52 customers" in first and "1 to 50 of 52" in first
    second, again = look(2)
    assert "51 to 52 of 52" in second and again < statements
    assert look(2)[1] == again
    late = add(tenant, "The last one", renewal_on=None)
    with tenant_context(tenant.id):
        sign(late)
        assert count_renewed(Month(2026, 3), tenant=tenant) == 53
        assert count_renewed(Month(2025, 3), tenant=tenant) == 0, "no one was known before"
        assert count_renewed(Month(2026, 3), tenant=tenant, owner="ann") == 0
    assert "51 to 53 of 53" in look(9)[0]


def test_of_more_contracts_than_can_be_paged_through_it_is_said_that_there_are_more(page_client, tenant, monkeypatch):
    for module in (renewed, web_renewals):
        monkeypatch.setattr(module, "MOST_PAGED", 52)
    ids = [add(tenant, f"Company {n:02}", renewal_on=None) for n in range(53)]
    with tenant_context(tenant.id):
        FigureChange.objects.filter(tenant_id=tenant.id).delete()
        for number, customer_id in enumerate(ids):
            for year in (2025, 2026):
                at, until = dt.datetime(year, 3, 10, 0, number, tzinfo=dt.UTC), f"{year + 1}-03-31"
                FigureChange.objects.create(
                    tenant_id=tenant.id, customer_id=customer_id, effective_at=at, recorded_at=at, source="/billing",
                    figures={"billing.renewal_on": until, "billing.contract_ends_on": until},
                )  # fmt: skip
    shown = text_of(page_client("viewer").get("/renewals?month=2026-03&renewed=2"))
    assert "more than 52 customers" in shown and "51 to 52 of 52" in shown


def test_a_calendar_is_exact_and_the_same_bytes_for_the_same_renewals(tenant):
    name = 'Müller, "Söhne"; & Töchter \\ ' + "Straße " * 20 + "\nBEGIN:VEVENT"
    row = {
        "customer_id": tenant.id, "name": name, "stage": "Live", "renewal_on": dt.date(2026, 12, 31),
        "occurred_at": dt.datetime(2026, 11, 3, 9, 30, tzinfo=dt.UTC),
    }  # fmt: skip
    body = write_calendar([row], tenant_id=tenant.id, site="https://c360.example")
    (event,) = events_of(body)
    assert event["SUMMARY"] == escape(f"Renewal: {name}")
    assert (event["DTSTART;VALUE=DATE"], event["DTEND;VALUE=DATE"]) == ("20261231", "20270101")
    assert event["DTSTAMP"] == "20261103T093000Z"
    assert body == write_calendar([row], tenant_id=tenant.id, site="https://c360.example")


def test_the_address_of_a_calendar_is_a_secret_that_can_be_taken_back(page_client, users, tenant, settings):
    today = utc_now().date()
    zora = ContactFacts("Zora Canary", "zora@acme.example", "+49 170 5550199")
    add(tenant, "Aurora", renewal_on=today + dt.timedelta(days=30), contacts=[zora], owner=users.viewer.username)
    client, anonymous = page_client("viewer"), page_client(None)
    client.post("/renewals/calendar", {"do": "make"})
    page = client.get("/renewals").content.decode()
    (address,) = re.findall(r'value="(https?://[^"]+/calendar/[^"]+\.ics)"', page)
    assert "/calendar/" not in client.get("/renewals").content.decode().replace("/renewals/calendar", "")
    path = urlsplit(address).path
    feed = anonymous.get(path)
    assert (feed.status_code, feed["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    (event,) = events_of(feed.content)
    assert event["SUMMARY"] == "Renewal: Aurora"
    assert not [one for one in (b"Zora", b"zora@", b"5550199", users.viewer.username.encode()) if one in feed.content]
    assert anonymous.get(path, headers={"If-None-Match": feed["ETag"]}).status_code == 304
    with tenant_context(tenant.id):
        kept = CalendarFeed.objects.get()
        assert path.rpartition("_")[2].removesuffix(".ics").encode() not in bytes(kept.secret_hash)
    forged = path[:-6] + ("AA" if not path.endswith("AA.ics") else "BB") + ".ics"
    for wrong in (forged, "/calendar/x.ics", f"/calendar/{'0' * 32}_{'A' * 43}.ics"):
        assert anonymous.get(wrong).status_code == 404
    client.post("/renewals/calendar", {"do": "make"})
    assert anonymous.get(path).status_code == 404
    client.post("/renewals/calendar", {"do": "revoke"})
    with tenant_context(tenant.id):
        assert not CalendarFeed.objects.exists()
        actions = AdministrationEntry.objects.filter(subject=str(users.viewer.id)).values_list("action", flat=True)
        assert sorted(actions)[-4:] == [
            "make_calendar_feed", "make_calendar_feed", "revoke_calendar_feed", "revoke_calendar_feed",
        ]  # fmt: skip


def test_internal_staff_is_offered_no_address_that_would_never_work(page_client, tenant):
    client = page_client("super_admin")
    client.post("/tenants", {"tenant": tenant.slug, "reason": "Ticket 7"})
    page = client.get("/renewals")
    assert page.status_code == 200 and "Create an address" not in text_of(page)
    assert "Create an address" in text_of(page_client("viewer").get("/renewals"))


def test_a_button_that_is_pressed_twice_makes_one_address_and_shows_no_error(page_client, tenant, monkeypatch):
    meeting, clients = Meeting(), [page_client("viewer") for _ in range(2)]
    monkeypatch.setattr(calendar_feeds, "record_administration", meeting.hold(calendar_feeds.record_administration))
    first, second = (lambda one=one: one.post("/renewals/calendar", {"do": "make"}).status_code for one in clients)
    assert run_together([first, meeting.second(second)]) == [302, 302]
    pages = "".join(one.get("/renewals").content.decode() for one in clients)
    addresses = re.findall(r'value="(https?://[^"]+/calendar/[^"]+\.ics)"', pages)
    assert [page_client(None).get(urlsplit(one).path).status_code for one in addresses] == [404, 200]


def test_a_calendar_has_the_next_renewals_first_and_everybody_s_only_for_those_who_own_none(
    page_client, users, tenant, monkeypatch
):
    today = utc_now().date()
    for days in (-9, -2, 3, 40, 390):
        add(tenant, f"In {days}", renewal_on=today + dt.timedelta(days=days))
    secrets = {}
    with tenant_context(tenant.id):
        for role in ("viewer", "account_manager"):
            person = getattr(users, role)
            secrets[role] = make_feed(person.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())

    def read(role):
        body = page_client(None).get(f"/calendar/{secrets[role]}.ics").content
        return [event["SUMMARY"].removeprefix("Renewal: ") for event in events_of(body)]

    assert read("viewer") == ["In -9", "In -2", "In 3", "In 40", "In 390"]
    monkeypatch.setattr(calendar_feeds, "MOST_ENTRIES", 4)
    assert read("viewer") == ["In -9", "In 3", "In 40", "In 390"]
    monkeypatch.setattr(calendar_feeds, "MOST_ENTRIES", 2)
    assert read("viewer") == ["In 3", "In 40"]
    # They own one, which renews in years: what others own is none of theirs.
    add(tenant, "Far", renewal_on=today + dt.timedelta(days=900), owner=users.account_manager.username)
    assert read("account_manager") == []


def test_a_calendar_ends_with_the_person_and_is_not_read_all_day(page_client, users, tenant):
    with tenant_context(tenant.id):
        secret = make_feed(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    anonymous = page_client(None)
    assert [anonymous.get(f"/calendar/{secret}.ics").status_code for _ in range(MOST_AN_HOUR)] == [200] * MOST_AN_HOUR
    limited = anonymous.get(f"/calendar/{secret}.ics")
    assert (limited.status_code, limited["Retry-After"]) == (429, "3600")
    with tenant_context(tenant.id):
        other = make_feed(users.account_manager.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        User.objects.filter(id=users.account_manager.id).update(is_active=False)
    assert anonymous.get(f"/calendar/{other}.ics").status_code == 404


def test_a_handover_says_what_a_new_owner_has_to_know(page_client, users, tenant):
    zora = ContactFacts("Zora Canary", "zora@acme.example", None)
    customer_id = add(tenant, "Aurora", renewal_on=utc_now().date(), stage="Wobbly", arr="120000", contacts=[zora])
    with tenant_context(tenant.id):
        notes.write_note(customer_id, "They think about leaving.", by=by(users.account_manager, tenant))
        # As many as the brief has at most: what was written before them is what was said last.
        for _number in range(LATEST_NOTES):
            gone = notes.write_note(customer_id, "A slip.", by=by(users.account_manager, tenant)).note
            notes.delete_note(gone["id"], customer_id=customer_id, by=by(users.account_manager, tenant))
        tasks.create_task(customer_id, "Call Zora", by=by(users.account_manager, tenant))
    shown = text_of(page_client("account_manager").get(f"/customers/{customer_id}/handover"))
    for part in ("Wobbly", "Usage Dropped", "Call Zora", "They think about leaving.", "€120,000", "zora@acme.example"):
        assert part in shown, part
    assert "A slip." not in shown
    assert page_client("viewer").get(f"/customers/{customer_id}/handover").status_code == 403


def test_a_handover_of_an_erased_customer_says_so_and_not_that_contacts_will_come(page_client, tenant):
    zora = ContactFacts("Zora Canary", "zora@acme.example", None)
    customer_id = add(tenant, "Aurora", renewal_on=utc_now().date(), contacts=[zora])
    with tenant_context(tenant.id):
        erase_customer("Aurora", tenant=tenant, actor=ADMIN_ACTOR, reason="asked", now=utc_now())
    for page in (f"/customers/{customer_id}", f"/customers/{customer_id}/handover"):
        shown = text_of(page_client("account_manager").get(page))
        assert "This customer's personal data was erased." in shown and "No contacts yet." not in shown, page


def test_a_handover_says_what_is_to_be_done_in_the_stage_as_the_customers_page_does(page_client, tenant):
    customer_id = add(tenant, "Aurora", renewal_on=utc_now().date())
    client = page_client("account_manager")
    for text in ("Ask for a reference.", "Ask for two references."):
        with tenant_context(tenant.id):
            changed = {**SAAS, "guidance": {"Live": text}}
            publish_configuration(changed, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        for page in (f"/customers/{customer_id}", f"/customers/{customer_id}/handover"):
            assert f"Playbook for this stage {text}" in text_of(client.get(page)), page


def test_what_was_renewed_by_contract_is_listed_by_month_with_what_it_was_worth_before(page_client, tenant):
    speaker = Speaker(tenant)
    terms = {"starts_on": "2026-04-01", "ends_on": "2027-03-31", "arr": 1500}
    before = {"renewal_on": "2026-03-31", "arr": 1200, "currency": "EUR"}
    for name, billing in (("Kept", before), ("Moved", before), ("Ended", before), ("Lent", {"currency": "EUR"})):
        speaker.hear(speaker.created(name, name=name, owner="ann", minutes=-60 * 24 * 30))
        speaker.hear(speaker.updated(name, source="/billing", billing=billing, minutes=-60 * 24 * 20))
    speaker.hear(speaker.renewed("Kept", contract_id="K-77", **terms))
    speaker.hear(speaker.renewed("Lent", contract_id="K-78", **terms | {"ends_on": "2028-03-31"}))
    # A date that was put right is no contract, and an earlier end is no renewal.
    speaker.hear(speaker.updated("Moved", source="/billing", billing={"renewal_on": "2026-09-30"}))
    speaker.hear(speaker.renewed("Ended", contract_id="K-79", **terms | {"ends_on": "2026-03-15"}))
    with tenant_context(tenant.id):
        latest, kept = list_renewed(Month(2026, 3), tenant=tenant)
        assert list_renewed(Month(2026, 2), tenant=tenant) == list_renewed(Month(2026, 4), tenant=tenant) == []
        assert len(list_renewed(Month(2026, 3), tenant=tenant, owner="ann")) == 2
        assert list_renewed(Month(2026, 3), tenant=tenant, owner="bob") == []
        assert len(list_renewed(Month(2026, 3), tenant=tenant, limit=1)) == 1
    day = dt.date
    assert (kept["name"], kept["contract_id"], kept["until_before"]) == ("Kept", "K-77", day(2026, 3, 31))
    assert (kept["until"], kept["arr_before"], kept["arr"], kept["arr_delta"]) == (day(2027, 3, 31), 1200, 1500, 300)
    assert (latest["name"], latest["until_before"], latest["arr_before"], latest["arr_delta"]) == (
        "Lent", None, None, None,
    )  # fmt: skip
    shown = text_of(page_client("viewer").get("/renewals?month=2026-03"))
    assert "Kept" in shown and "K-77" in shown and "€1,500" in shown and "€1,200" in shown and "31 Mar 2027" in shown
    assert "No contract was renewed in this month." in text_of(page_client("viewer").get("/renewals?month=2026-02"))
