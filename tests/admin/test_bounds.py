"""No one keeps a server busy with a configuration: what is done with one takes time in proportion to its length."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from lifecycle.admin.configuration.comparison import compare_lines, shorten_comparison
from lifecycle.admin.configuration.documents import SameNameTwice, write_document
from lifecycle.admin.configuration.json_text import find_lines, write_json
from lifecycle.admin.configuration.layout import CannotLayOut, lay_out
from lifecycle.admin.configuration.places import file_findings
from tests.rules.documents import check, relaxed
from tests.rules.growing import ACCEPTED_BYTES, Growing, assert_linear, growing


def edit(document: dict[str, Any]) -> None:
    """What the editor does with a document, but for the database and the template."""
    errors = check(document)
    text = write_json(document)
    assert len(text) < 20 * ACCEPTED_BYTES
    find_lines(document, [error.path for error in errors])
    with suppress(CannotLayOut):
        sheet = lay_out(document, renamed={}, live_stages=())
        with suppress(SameNameTwice):
            write_document(sheet)
        file_findings(sheet, document, errors)


@settings(relaxed, max_examples=20, phases=(Phase.reuse, Phase.generate))
@given(growing)
def test_the_editor_takes_time_in_proportion_to_any_document(grown: Growing) -> None:
    assert_linear(grown.build, edit, size=40_000, most=1.0)


@pytest.mark.parametrize(
    "grown",
    [
        Growing("stages", "A", is_numbered=True, is_object=False, depth=0),
        Growing("stages", "A", is_numbered=False, is_object=False, depth=0),
        Growing("transitions", ["Active"], is_numbered=True, is_object=True, depth=0),
        Growing("event_rules", 1, is_numbered=False, is_object=False, depth=28),
        Growing("event_rules", [], is_numbered=False, is_object=False, depth=28),
        Growing("effects", {}, is_numbered=False, is_object=False, depth=0),
        Growing("no such key", "x", is_numbered=True, is_object=True, depth=5),
    ],
)
def test_the_editor_takes_time_in_proportion_to_a_document_that_was_made_for_it(grown: Growing) -> None:
    assert_linear(grown.build, edit, size=200_000, most=2.0)


@pytest.mark.parametrize(
    "lines",
    [
        lambda n: (["1"] * n, ["2"] * n),
        lambda n: (["1", "2"] * (n // 2), ["2", "1"] * (n // 2)),
        lambda n: (["1"] * (n // 2) + ["2"] * (n // 2), ["2"] * (n // 2) + ["1"] * (n // 2)),
        lambda n: ([str(i) for i in range(n)], [str(i) for i in reversed(range(n))]),
        lambda n: ([str(i % 997) for i in range(n)], [str(i % 991) for i in range(n)]),
    ],
)
def test_two_texts_are_compared_in_time_in_proportion_to_their_lines(lines: Any) -> None:
    assert_linear(lines, lambda pair: list(shorten_comparison(compare_lines(*pair))), size=40_000, most=1.5)


@settings(relaxed, max_examples=40)
@given(growing, growing)
def test_a_comparison_leaves_nothing_out_and_invents_nothing(one: Growing, other: Growing) -> None:
    theirs, own = (write_json(grown.build(300)).split("\n") for grown in (one, other))
    lines = list(compare_lines(theirs, own))
    assert [line for side, line in lines if side != "own"] == theirs
    assert [line for side, line in lines if side != "theirs"] == own


def test_a_comparison_shows_a_change_among_what_is_equal() -> None:
    theirs = [f"line {number}" for number in range(100)]
    own = [*theirs[:40], "another", *theirs[41:]]
    assert list(shorten_comparison(compare_lines(theirs, own))) == [
        ("skipped", "37 equal lines"),
        *(("both", f"line {number}") for number in (37, 38, 39)),
        ("theirs", "line 40"),
        ("own", "another"),
        *(("both", f"line {number}") for number in (41, 42, 43)),
        ("skipped", "56 equal lines"),
    ]
