"""Rows of the list and cards of the board, which no template writes: every column has a cell, and no text is markup."""

import datetime as dt
import re
from decimal import Decimal
from uuid import UUID

import pytest
from django.template import engines
from django.utils import translation

from lifecycle.queries.board import Card
from lifecycle.queries.list_columns import LIST_COLUMNS, choose_columns
from lifecycle.web.board import ShownCard
from lifecycle.web.list_cells import CELLS
from lifecycle.web.list_controls import describe_choice_of_columns
from lifecycle.web.list_page import ListParameters
from lifecycle.web.tags import NOTHING
from tenants.rules.messages import Message

ID = UUID("01a21dc2-4042-7341-9182-0383e70df010")
NASTY = "<b>&\"'"
ESCAPED = "&lt;b&gt;&amp;&quot;&#x27;"
NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
ROW = {
    "customer_id": ID,
    "name": NASTY,
    "external_id": NASTY,
    "segment": NASTY,
    "stage": NASTY,
    "reason_code": NASTY,
    "days_in_stage": 1204,
    "days_over": 1,
    "health": {"score": 65, "band": "watch"},
    "urgency_reason": Message("nothing_at_stake", {}),
    "at_stake": Decimal(12000),
    "arr": Decimal(999_600),
    "currency": NASTY,
    "renewal_on": "2026-12-01",
    "days_to_renewal": 4,
    "owner": NASTY,
    "industry": NASTY,
    "open_issues": 1204,
    "csat": "4.5",
    "balance_overdue": None,
    "updated_at": NOW,
}
EMPTY = ROW | {
    "segment": "", "reason_code": "", "days_over": 0, "health": {"score": None, "band": "unknown"}, "arr": None,
    "renewal_on": None, "days_to_renewal": None, "owner": "", "industry": "", "open_issues": None, "csat": None,
}  # fmt: skip


def write(tag, **context):
    template = engines["django"].from_string(f"{{% load cells %}}{{% {tag} %}}")
    return template.render({"stage_colors": {}, **context})


def cells_of(row, *, may_select=False):
    written = write("customer_rows rows columns", rows=[row], columns=LIST_COLUMNS, may_select=may_select)
    cells = re.findall(r"<td.*?</td>", written, re.DOTALL)
    assert written.count("<tr>") == 1 and len(cells) == len(LIST_COLUMNS)
    return {column.name: cell for column, cell in zip(LIST_COLUMNS, cells, strict=True)}


def text_of(cell):
    return re.sub(r"<[^>]*>", "", cell)


def test_each_column_of_the_list_has_a_cell_and_no_other_has():
    assert CELLS.keys() == {column.name for column in LIST_COLUMNS}


def test_a_cell_says_what_the_row_has_under_the_head_of_its_column():
    cells = {name: text_of(cell) for name, cell in cells_of(ROW | {"currency": "EUR"}).items()}
    assert cells == {
        "customer": f"{ESCAPED}{ESCAPED} · {ESCAPED}",
        "stage": f"{ESCAPED}{ESCAPED}",
        "days_in_stage": "1,204 days1 day past target",
        "health": "65 of 100, watch",
        "at_stake": "€12k: Churned: nothing is at stake any more.",
        "arr": "€1.0M",
        "renewal": "1 Dec 2026in 4 days",
        "owner": ESCAPED,
        "segment": ESCAPED,
        "industry": ESCAPED,
        "open_issues": "1,204",
        "csat": "4.5",
        "overdue": NOTHING,
        "changed": "27 Nov 2026, 12:00 UTC",
    }
    assert '<td class="number" data-label="In stage">' in cells_of(ROW)["days_in_stage"]
    with translation.override("de"):
        assert '<td class="number" data-label="In der Phase">' in cells_of(ROW)["days_in_stage"]


def test_what_is_not_known_is_a_dash():
    cells = {name: text_of(cell) for name, cell in cells_of(EMPTY).items()}
    assert {name for name, text in cells.items() if text == NOTHING} == {
        "arr", "renewal", "owner", "segment", "industry", "open_issues", "csat", "overdue"
    }  # fmt: skip
    assert cells["health"] == f"{NOTHING} no figures yet"
    assert (cells["stage"], cells["days_in_stage"]) == (ESCAPED, "1,204 days")


@pytest.mark.parametrize("may_select", [True, False])
def test_no_text_of_a_customer_becomes_markup(may_select):
    card = Card(ID, NASTY, 1, NOW, NOW, NASTY, NASTY, NASTY, Decimal(1), NASTY, None)
    shown = [ShownCard(card, 3, 2, None)]
    written = write("board_cards cards", cards=shown, may_select=may_select)
    written += "".join(cells_of(ROW, may_select=may_select).values())
    assert "<b>" not in written and written.count(ESCAPED) > 10
    assert (f'name="customer" value="{ID}"' in written) is may_select
    assert (f'href="/customers/{ID}/move?place=board"' in written) is may_select
    assert f'href="/customers/{ID}"' in written


@pytest.mark.parametrize("chosen", [NASTY, "", None])
def test_what_a_field_offers_is_written_with_what_is_chosen_and_no_text_becomes_markup(chosen):
    def fill(tag, **context):
        return engines["django"].from_string(f"{{% load c360 %}}{{% {tag} %}}").render(context)

    selected = " selected" if chosen else ""
    assert fill("options choices chosen", choices=[(NASTY, "One"), ("two", NASTY)], chosen=chosen) == (
        f'<option value="{ESCAPED}"{selected}>One</option><option value="two">{ESCAPED}</option>'
    )
    assert fill("suggestions values", values=[NASTY]) == f'<option value="{ESCAPED}"></option>'


def test_a_column_is_chosen_by_links_that_keep_what_the_list_is_asked_for():
    asked = ListParameters(search=NASTY, columns=choose_columns(["customer", "stage"]))
    written = write("choices_of_columns choices", choices=describe_choice_of_columns(asked))
    lines = written.splitlines()
    assert len(lines) == len(LIST_COLUMNS) and "<b>" not in written
    start = "/customers?search=%3Cb%3E%26%22%27&amp;ordering=-updated_at&amp;columns="
    assert lines[0] == (
        f'<li><span>Customer</span> <a href="{start}stage%2Ccustomer&amp;edit=columns">Later'
        '<span class="visually-hidden">: Customer</span></a></li>'
    )
    hidden = next(line for line in lines if line.startswith('<li><span class="faint">'))
    assert hidden.count("<a ") == 1 and f'href="{start}customer%2Cstage%2C' in hidden
