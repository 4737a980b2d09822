"""The timeline of a customer: every kind in one order, paged without a gap, with addresses that last."""

import datetime as dt
import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.models import BillingFigures, EffectRun, FigureChange, Note
from lifecycle.services.work import notes, tasks
from lifecycle.services.work.timeline import find_place, read_timeline
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.plans import NUMBERED, copy_rows, count_rows_of, count_statistics
from tests.web.conftest import HTMX, markup_of, text_of
from tests.web.test_work import by

STAGES = ("Onboarded", "Active")


def fill(customer, users, tenant, move, rounds):
    """Stage changes, notes and tasks, one after the other."""
    for number in range(rounds):
        move(customer, STAGES[number % 2], note=f"move {number}")
        with tenant_context(tenant.id):
            notes.write_note(customer.id, f"note {number}", by=by(users.account_manager, tenant))
            tasks.create_task(customer.id, f"task {number}", by=by(users.account_manager, tenant))


def entries_of(response):
    return [
        tag["id"]
        for tag in markup_of(response).all("li")
        if re.match("(stage|event|note|entry-task|effect)-", tag.get("id", ""))
    ]


def walk(client, address, headers):
    """Every entry of a list, a page at a time, and how many statements each page took."""
    found, counts = [], []
    while address:
        with CaptureQueriesContext(connection) as queries:
            page = client.get(address, headers=headers)
        assert page.status_code == 200
        counts.append(len(queries))
        found.append(entries_of(page))
        links = [tag["href"] for tag in markup_of(page).all("a") if tag.get("hx-target") == "#earlier"]
        address = links[0].replace("&amp;", "&") if links else None
    return found, counts


def test_all_kinds_stand_in_one_order_and_no_page_leaves_one_out_or_repeats_it(
    page_client, customer, users, tenant, move
):
    fill(customer, users, tenant, move, 12)
    client = page_client("account_manager")
    client.get(f"/customers/{customer.id}/timeline")
    pages, counts = walk(client, f"/customers/{customer.id}/timeline", HTMX)
    assert [len(page) for page in pages] == [15, 15, 7]
    shown = [entry for page in pages for entry in page]
    assert len(set(shown)) == 37
    kinds = [re.sub(r"-[0-9a-f-]{36}$", "", entry) for entry in shown]
    assert kinds == ["entry-task", "note", "stage"] * 12 + ["stage"]
    # The longer the line, the same number of statements; the last page has no place for another.
    assert len(set(counts)) == 1 and counts[0] < 25, counts
    for kind, name in (("stage", "stage"), ("note", "note"), ("task", "entry-task")):
        (only, *_rest), _counts = walk(client, f"/customers/{customer.id}/timeline?kind={kind}", HTMX)
        assert {re.sub(r"-[0-9a-f-]{36}$", "", entry) for entry in only} == {name}


def test_an_entry_has_an_address_that_lasts_however_much_happens_later(page_client, customer, users, tenant, move):
    fill(customer, users, tenant, move, 2)
    client = page_client("account_manager")
    before = entries_of(client.get(f"/customers/{customer.id}/timeline"))
    fill(customer, users, tenant, move, 8)
    for place, entry in enumerate(before):
        kind, _, id_ = entry.removeprefix("entry-").partition("-")
        page = client.get(f"/customers/{customer.id}/timeline/{kind}/{id_}")
        assert entries_of(page)[0] == entry
        assert entries_of(page) == before[place:]
    assert client.get(f"/customers/{customer.id}/timeline/note/{uuid4()}").status_code == 404
    assert client.get(f"/customers/{customer.id}/timeline/nothing/{uuid4()}").status_code == 404


@pytest.mark.parametrize(
    "query", ["stage=x&note=y", "note=", "stage=99999999999999999999", "kind=nonsense", "stage=-1", "event=x~y"]
)
def test_a_mangled_link_shows_the_latest_entries(page_client, customer, move, query):
    move(customer, "Active")
    page = page_client("account_manager").get(f"/customers/{customer.id}/timeline?{query}")
    # What kinds there are is said besides.
    assert page.status_code == (400 if "kind" in query else 200) and len(entries_of(page)) == 2


def test_effects_stand_with_their_change_and_by_themselves_where_they_are_asked_for(
    page_client, customer, tenant, move
):
    move(customer, "Active")
    with tenant_context(tenant.id):
        (entry, _first) = read_timeline(customer.id, tenant=tenant, now=utc_now()).entries
        run = EffectRun.objects.create(
            tenant_id=tenant.id, history_id=entry.row["id"], customer_id=customer.id, request_id=uuid4(),
            configuration_version=1, effect="Welcome them", kind="email", recipient="zora@acme.example",
            lane_id=uuid4(), state="done", due_at=utc_now(), created_at=utc_now(),
        )  # fmt: skip
    client = page_client("account_manager")
    assert "Welcome them (e-mail): done" in text_of(client.get(f"/customers/{customer.id}"))
    alone = client.get(f"/customers/{customer.id}/timeline?kind=effect")
    assert entries_of(alone) == [f"effect-{run.id}"]
    assert "z***@acme.example" in text_of(alone) and "zora@" not in text_of(alone)
    assert entries_of(client.get(f"/customers/{customer.id}/timeline/effect/{run.id}")) == [f"effect-{run.id}"]


def test_what_sources_reported_stands_where_it_became_true(page_client, customer, tenant, move):
    now = utc_now()
    with tenant_context(tenant.id):
        for days, arr in ((1, "100"), (3, "90"), (2, "95"), (2, "96")):
            FigureChange.objects.create(
                tenant_id=tenant.id, customer_id=customer.id, source="/billing", figures={"billing.arr": arr},
                effective_at=now - dt.timedelta(days=days), recorded_at=now,
            )  # fmt: skip
    client = page_client("account_manager")
    alone = client.get(f"/customers/{customer.id}/timeline?kind=event")
    assert re.findall(r"Annual revenue: (\d+)", text_of(alone)) == ["100", "96", "95", "90"]
    (third,) = entries_of(alone)[2:3]
    page = client.get(f"/customers/{customer.id}/timeline/event/{third.removeprefix('event-')}")
    assert re.findall(r"Annual revenue: (\d+)", text_of(page)) == ["95", "90"]
    move(customer, "Active")
    kinds = [entry.partition("-")[0] for entry in entries_of(client.get(f"/customers/{customer.id}"))]
    assert kinds == ["stage"] * 2 + ["event"] * 4


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            (
                *("Annual revenue: $379,200", "Overdue balance: $1,204.50", "Renewal: 29 Dec 2026"),
                *("Last issue closed at: 2 Nov 2026, 18:30 UTC", "Satisfaction: 4.5", "Owner: ann@acme.example"),
            ),
        ),
        (
            "de",
            (
                *("Jahresumsatz: 379.200 $", "1.204,50 $", "Verlängerung: 29. Dez. 2026"),
                *("Letztes Ticket geschlossen am: 2. Nov. 2026, 18:30 UTC", "Zufriedenheit: 4,5", "ann@acme.example"),
            ),
        ),
    ],
)
def test_what_sources_reported_is_written_as_its_reader_writes_it(page_client, customer, tenant, language, said):
    figures = {
        "billing.arr": "379200.00",
        "billing.balance_overdue": "1204.5000",
        "billing.renewal_on": "2026-12-29",
        "support.last_issue_closed_at": "2026-11-02T18:30:00+00:00",
        "support.csat": "4.5",
        "owner": "ann@acme.example",
    }
    with tenant_context(tenant.id):
        BillingFigures.objects.create(
            tenant_id=tenant.id, customer_id=customer.id, currency="USD", occurred_at=utc_now()
        )
        FigureChange.objects.create(
            tenant_id=tenant.id, customer_id=customer.id, source="/billing", figures=figures, effective_at=utc_now(),
            recorded_at=utc_now(),
        )  # fmt: skip
    client = page_client("account_manager")
    for page in ("", "/timeline"):
        shown = client.get(f"/customers/{customer.id}{page}", headers={"Accept-Language": language})
        line = text_of(shown).replace("\xa0", " ")
        assert [part for part in said if part not in line] == []


def test_another_tenant_s_entries_are_not_found(page_client, other_customer, other_users, other_tenant, tenant):
    with tenant_context(other_tenant.id):
        note = notes.write_note(other_customer.id, "Zora", by=by(other_users.account_manager, other_tenant)).note
    client = page_client("tenant_admin")
    assert client.get(f"/customers/{other_customer.id}/timeline").status_code == 404
    assert client.get(f"/customers/{other_customer.id}/timeline/note/{note['id']}").status_code == 404
    elsewhere = CustomerFactory(tenant=tenant)
    assert client.get(f"/customers/{elsewhere.id}/timeline/note/{note['id']}").status_code == 404
    with tenant_context(tenant.id):
        assert find_place("note", note["id"], customer_id=other_customer.id, tenant=tenant) is None


def test_each_page_of_each_kind_reads_only_its_own_rows(tenant, customer, users, move, superuser):
    """Beside 4,000 of other customers that are among them in time."""
    fill(customer, users, tenant, move, 1)
    with tenant_context(tenant.id):
        EffectRun.objects.create(
            tenant_id=tenant.id, history_id=uuid4(), customer_id=customer.id, request_id=uuid4(),
            configuration_version=1, effect="Welcome them", kind="email", recipient="zora@acme.example",
            lane_id=uuid4(), state="done", due_at=utc_now(), created_at=utc_now(),
        )  # fmt: skip
        for model, key in ((Note, {}), (EffectRun, {"history_id": NUMBERED})):
            made = model.objects.filter(tenant_id=tenant.id, customer_id=customer.id)
            copy_rows(superuser, made, range(1, 41), **key)
            copy_rows(superuser, made, range(41, 4_001), customer_id=NUMBERED, **key)
            count_statistics(superuser, [model._meta.db_table])
            page = made.filter(id__lt="ffffffff-ffff-ffff-ffff-ffffffffffff").order_by("-id")[:16]
            assert count_rows_of(superuser, page, of=model._meta.db_table) == 16, model


def test_a_task_on_the_timeline_says_when_it_was_added_which_is_why_it_is_there(page_client, customer, users, tenant):
    with tenant_context(tenant.id):
        tasks.create_task(customer.id, "Call Zora", by=by(users.account_manager, tenant), due_on=dt.date(2099, 1, 31))
    client = page_client("account_manager")
    page = text_of(client.get(f"/customers/{customer.id}/timeline"))
    assert f"Due 31 Jan 2099 · for no one yet · Added by {users.account_manager.full_name} (you), " in page
    assert "Added by" not in text_of(client.get(f"/customers/{customer.id}/tasks"))
