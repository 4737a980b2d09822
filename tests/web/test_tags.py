"""How pages write money, days and dates."""

import datetime as dt
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import translation

from lifecycle.web.tags import customers, day, days, money, renewal_distance, short_money, timestamp

ROOT = Path(settings.BASE_DIR)


@pytest.mark.parametrize(
    ("amount", "currency", "long", "short"),
    [
        (None, "EUR", "–", "–"),
        ("", "EUR", "–", "–"),
        ("0.00", "EUR", "€0", "€0"),
        ("9400.49", "USD", "$9,400", "$9,400"),
        ("-12000", "GBP", "-£12,000", "-£12k"),
        ("193800.00", "EUR", "€193,800", "€194k"),
        ("999600", "EUR", "€999,600", "€1.0M"),
        ("2443000", "", "2,443,000", "2.4M"),
        ("1000", "CHF", "1,000 CHF", "1,000 CHF"),
    ],
)
def test_money_is_written_in_whole_units_or_for_a_glance(amount, currency, long, short):
    assert (money(amount, currency), short_money(amount, currency)) == (long, short)


def test_days_counts_and_dates_are_written_as_people_say_them():
    assert [days(number) for number in (None, 0, 1, 1204)] == ["–", "0 days", "1 day", "1,204 days"]
    assert [customers(number) for number in (1, 2000)] == ["1 customer", "2,000 customers"]
    assert [renewal_distance(left) for left in (None, 0, 1, -3)] == ["", "today", "in 1 day", "3 days ago"]
    assert [day(value) for value in (None, "2026-11-02", dt.date(2026, 1, 31))] == ["–", "2 Nov 2026", "31 Jan 2026"]


def test_a_moment_is_in_utc_and_readable_by_machines():
    value = dt.datetime(2026, 11, 2, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert timestamp(value) == '<time datetime="2026-11-01T23:05:00+00:00">1 Nov 2026, 23:05 UTC</time>'


def test_arrows_point_on_in_the_direction_in_which_the_reader_s_language_is_written():
    page = Template("{% load c360 %}Trial {% arrow %} Live {% icon 'arrow-left' %} {% icon 'x' %}")
    for language, arrow in (("en", "→"), ("de", "→"), ("ar", "←"), ("fa", "←")):
        with translation.override(language):
            shown = page.render(Context())
        assert f"Trial {arrow} Live" in shown
        assert shown.count('class="icon turns"') == 1 and shown.count('class="icon"') == 1


def test_no_template_has_an_arrow_that_always_points_the_same_way():
    templates = [path for path in (ROOT / "templates").rglob("*.html") if path.is_file()]
    assert len(templates) > 100
    assert [path.name for path in templates if re.search("[→←↦⇒‹›»«]|&[lr]arr;|&[lr]aquo;", path.read_text())] == []
