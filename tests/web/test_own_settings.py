"""What people choose for themselves: the times of the pages are in their zone."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from audit.models import AdministrationEntry
from lifecycle.web.tags import clock, timestamp
from tenants.context import tenant_context
from tenants.models import User
from tests.web.conftest import text_of

NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)


def times_of(response):
    """Each time of a page: (what machines read, what people read)."""
    return re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', response.content.decode())


def of_user(user):
    with tenant_context(user.tenant_id):
        return User.objects.get(id=user.id)


def test_times_are_shown_in_the_zone_that_a_person_chose(page_client, users, customer):
    client = page_client("account_manager")
    address = f"/customers/{customer.id}"
    assert times_of(client.get(address))[0][1].endswith(" UTC")
    response = client.post("/account/settings", {"time_zone": "Asia/Tokyo"}, follow=True)
    assert "Your settings are saved." in text_of(response)
    written, shown = times_of(client.get(address))[0]
    there = dt.datetime.fromisoformat(written).astimezone(ZoneInfo("Asia/Tokyo"))
    assert shown == f"{there.day} {there:%b %Y, %H:%M} JST"
    assert '<option value="Asia/Tokyo" selected>Asia/Tokyo</option>' in client.get("/account").content.decode()
    with tenant_context(users.account_manager.tenant_id):
        (entry,) = AdministrationEntry.objects.filter(action="set_own_settings")
    assert entry.detail == {"language": "", "time_zone": "Asia/Tokyo"}
    # The next reader in this thread has their own.
    assert times_of(page_client("viewer").get(address))[0][1].endswith(" UTC")


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"time_zone": "Mars/Olympus"}, "There is no such time zone."),
        ({"time_zone": "../../etc/passwd"}, "There is no such time zone."),
        ({"time_zone": "", "language": "tlh"}, "There is no such language here."),
    ],
)
def test_what_there_is_not_is_refused_and_nothing_is_saved(page_client, users, sent, sentence):
    response = page_client("viewer").post("/account/settings", sent)
    assert response.status_code == 400
    assert f"{sentence} Choose one of the list. Nothing was saved." in text_of(response)
    assert (of_user(users.viewer).time_zone, of_user(users.viewer).language) == ("", "")


def test_a_zone_that_is_no_longer_known_counts_as_none(page_client, users, customer):
    with tenant_context(users.viewer.tenant_id):
        User.objects.filter(id=users.viewer.id).update(time_zone="Atlantis/Capital", language="xx")
    response = page_client("viewer").get(f"/customers/{customer.id}")
    assert response.status_code == 200
    assert times_of(response)[0][1].endswith(" UTC")


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "1 Jul 2026, 12:00 UTC"),
        ("Europe/Berlin", "1 Jul 2026, 14:00 CEST"),
        ("America/Sao_Paulo", "1 Jul 2026, 09:00 UTC-03:00"),
        ("Pacific/Auckland", "2 Jul 2026, 00:00 NZST"),
        ("Asia/Kathmandu", "1 Jul 2026, 17:45 UTC+05:45"),
    ],
)
def test_a_zone_is_named_beside_each_time(zone, shown):
    with timezone.override(ZoneInfo(zone)):
        assert timestamp(NOON) == f'<time datetime="2026-07-01T12:00:00+00:00">{shown}</time>'
        assert clock(NOON) == shown.split(", ")[1]


def test_the_page_after_a_choice_is_in_the_language_that_was_chosen(page_client):
    client = page_client("viewer")
    assert "Ihre Einstellungen sind gespeichert." in text_of(
        client.post("/account/settings", {"language": "de"}, follow=True)
    )
    back = client.post("/account/settings", {"language": ""}, headers={"Accept-Language": "en"}, follow=True)
    assert "Your settings are saved." in text_of(back)
