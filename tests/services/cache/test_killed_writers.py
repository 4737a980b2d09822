"""Somebody died between their commit and the refresh: the relay's look makes it good [AR-4, AC-4]."""

import os
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connections

from lifecycle.services.cache import copies, stale
from lifecycle.services.customers.summaries import read_profile, read_tenant_summary
from lifecycle.services.events import outbox
from tenants.context import tenant_context
from tests.factories import MINIMAL, utc_now
from tests.services.acts import move, publish, report
from tests.services.cache.cached import CONFIGURATION, die_after_commit, offer, read, shown, totals


def test_a_move_whose_maker_was_killed_shows_after_the_relays_look(tenant, customer, relay):
    read(tenant, customer), read_tenant_summary(tenant=tenant)
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    assert read(tenant, customer)["stage"] == "Prospect"
    relay.look_back()
    assert read(tenant, customer)["stage"] == "Onboarded"
    assert [s["customers"] for s in read_tenant_summary(tenant=tenant)["stages"]][:2] == [0, 1]


def test_what_a_transaction_reads_of_its_own_changes_is_not_kept_as_it_may_not_be_committed(tenant, customer):
    """As a page that moves a customer and shows it again, and whose process is killed before the commit."""
    with pytest.raises(InterruptedError), tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        report(tenant, customer, company={"name": "New name"})
        assert read(tenant, customer)["stage"] == "Onboarded"
        assert read_profile(customer.id, tenant=tenant, now=utc_now())["company"]["name"] == "New name"
        assert [s["customers"] for s in read_tenant_summary(tenant=tenant)["stages"]][:2] == [0, 1]
        raise InterruptedError
    assert read(tenant, customer)["stage"] == "Prospect"
    assert read_profile(customer.id, tenant=tenant, now=utc_now())["company"]["name"] != "New name"
    assert [s["customers"] for s in read_tenant_summary(tenant=tenant)["stages"]][:2] == [1, 0]


def test_what_a_slow_reader_offers_after_the_relays_look_is_not_kept(tenant, customer, relay):
    slow = copies.read(tenant.id, customer.id, copies.STATUS)
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    relay.look_back()
    offer(slow, 1, "Prospect", configuration=1)
    assert read(tenant, customer)["stage"] == "Onboarded"


def test_figures_and_profile_whose_writer_was_killed_show_after_the_relays_look(tenant, customer, relay):
    def profile():
        return read_profile(customer.id, tenant=tenant, now=utc_now())

    read(tenant, customer), profile()
    with tenant_context(tenant.id):
        report(tenant, customer, support={"open_issues": 7}, company={"name": "New name"})
        die_after_commit()
    assert (read(tenant, customer)["support"]["open_issues"], profile()["support"]["open_issues"]) != (7, 7)
    assert relay.look()
    assert read(tenant, customer)["support"]["open_issues"] == 7
    assert (profile()["support"]["open_issues"], profile()["company"]["name"]) == (7, "New name")
    assert read_tenant_summary(tenant=tenant)["total"]["customers"] == 1
    assert not relay.look(), "each is announced once"


@pytest.mark.parametrize("part", ["company", "billing", "support", "contacts"])
def test_each_kind_of_figure_that_is_written_is_of_a_later_version(tenant, customer, part):
    from lifecycle.services.customers.recording import ContactFacts

    written = {
        "company": {"industry": "Steel"},
        "billing": {"currency": "EUR", "arr": "5"},
        "support": {"open_issues": 1},
        "contacts": [ContactFacts(name="Ann Example")],
    }
    with tenant_context(tenant.id):
        for _ in range(3):
            before = stale.note_profiles(tenant.id, [customer.id])[str(customer.id)]
            report(tenant, customer, **{part: written[part]})
            assert stale.note_profiles(tenant.id, [customer.id])[str(customer.id)] > before


def test_a_publication_whose_publisher_was_killed_shows_after_the_relays_look(tenant, customer, relay):
    assert read(tenant, customer)["category"] == "acquisition"
    with tenant_context(tenant.id):
        publish(tenant, {**MINIMAL, "categories": {"Prospect": "renewal"}})
        die_after_commit()
    assert read(tenant, customer)["category"] == "acquisition"
    relay.look()
    assert read(tenant, customer)["category"] == "renewal"


def fetch_rows(tenant):
    """What the relay is about to publish of the tenant, behind all that tests which commit have left."""
    others: list[int] = []
    while rows := outbox.fetch_pending(10_000, skip=others):
        if own := [row for row in rows if row.tenant_id == tenant.id]:
            return own
        others += [row.id for row in rows]
    raise AssertionError("nothing of the tenant is about to be published")


@pytest.mark.parametrize("seen", ["before it is published", "while Kafka is away"])
def test_totals_are_never_old_though_a_reader_of_the_customer_came_before_the_relay(tenant, customer, relay, seen):
    """The status is not in Redis, its maker is killed, and the next reader of the customer puts the new one there."""
    assert read_tenant_summary(tenant=tenant)["stages"][0]["customers"] == 1
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
        die_after_commit()
    assert read(tenant, customer)["stage"] == "Onboarded"
    if seen == "while Kafka is away":
        relay.look_back()
    else:
        relay.follow(fetch_rows(tenant))
    assert [s["customers"] for s in read_tenant_summary(tenant=tenant)["stages"]][:2] == [0, 1]


def test_totals_are_never_old_though_a_reader_of_the_figures_came_before_the_relay(tenant, customer, relay):
    assert read_tenant_summary(tenant=tenant)["total"]["money"] == []
    with tenant_context(tenant.id):
        report(tenant, customer, billing={"currency": "EUR", "arr": "5"})
        die_after_commit()
    assert read(tenant, customer)["billing"]["arr"] == "5.00"
    assert read_profile(customer.id, tenant=tenant, now=utc_now())["billing"]["arr"] == "5.00"
    relay.look()
    assert read_tenant_summary(tenant=tenant)["total"]["money"] == [{"currency": "EUR", "arr": "5.00"}]


def test_what_was_looked_back_at_before_makes_no_totals_be_read_again(tenant, customer, relay):
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
    relay.look_back()
    copies.read_totals(tenant.id).offer(b"kept")
    for _ in range(2):
        relay._looked_back_at = 0.0
        relay.look_back()
        assert copies.read_totals(tenant.id).value == b"kept"


def test_a_writer_whom_a_reader_of_the_new_version_has_overtaken_has_totals_read_again(ids):
    copies.read_totals(ids[0]).offer(b"before")
    copies.read(*ids, copies.FIGURES).offer(CONFIGURATION, figures=(5, b"new"), profile=(5, b"new"))
    copies._keep(copies._profile_markers(ids[0], {str(ids[1]): 5}), copies._news(ids[0], {}))
    assert (totals(ids), shown(ids, copies.FIGURES)) == (None, b"new")


def test_what_the_relay_says_of_a_change_is_one_round_trip_the_first_time_and_later(ids, commands):
    for is_first in (True, False):
        change = stale.Change(ids[0], {str(ids[1]): (CONFIGURATION, 5)}, {str(ids[1]): 5}, is_first=is_first)
        with commands.counting() as counted:
            copies.drop_older(change, using="default")
        assert counted == [1]


KILLED = """
import os, signal
import django
django.setup()
import sys
from uuid import UUID
from django.db import transaction
from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.services.acts import move

tenant, customer = TenantRef(UUID(sys.argv[1]), "x"), UUID(sys.argv[2])
with tenant_context(tenant.id):
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    move(tenant, Customer(id=customer), "Onboarded")
"""


def test_a_process_that_is_killed_between_commit_and_refresh_is_made_good(tenant, customer, relay):
    assert read(tenant, customer)["stage"] == "Prospect"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tenant.id), str(customer.id)],
        cwd=settings.BASE_DIR,
        check=False,
        env={**os.environ, "DATABASE_URL": database_url()},
    )
    assert killed.returncode == -signal.SIGKILL
    assert read(tenant, customer)["stage"] == "Prospect", "it did not get to the refresh"
    relay.look_back()
    assert read(tenant, customer)["stage"] == "Onboarded"


def database_url():
    """The address of the tests' own database, for a process of its own."""
    parts = urlsplit(settings.DATABASE_URL)
    return parts._replace(path=f"/{connections['default'].settings_dict['NAME']}").geturl()
