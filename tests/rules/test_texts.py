"""Names that people type: which one was meant, and that asking is cheap."""

import time
import unicodedata

import pytest

from tenants.rules.texts import normalize_text, suggest_text
from tests.rules.documents import check
from tests.rules.growing import assert_linear

STAGES = ("Prospect", "Onboarded", "Active", "At-Risk", "Churned")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("active", "Active"),
        (" CHURNED ", "Churned"),
        ("at risk", "At-Risk"),
        ("AtRisk", "At-Risk"),
        ("Churnd", "Churned"),
        ("Acitve", "Active"),
        ("Prospects", "Prospect"),
        ("Onboarding", "Onboarded"),
        ("Nirvana", None),
        ("Gone", None),
        ("", None),
        ("x" * 1000, None),
    ],
)
def test_a_misspelt_name_suggests_the_one_that_was_meant(text: str, meant: str | None) -> None:
    assert suggest_text(text, STAGES) == meant


@pytest.mark.parametrize(
    "unit", ["\u0301\u0323", "a\u0301\u0323\u0327", "\u0f73\u0f71", "ệ\u0323", "각", "\u1100\u1161\u11a8", "ß"]
)
@pytest.mark.parametrize("length", [1, 333, 999, 1000, 1001, 2500])
def test_a_text_of_any_length_is_composed_as_unicode_says(unit: str, length: int) -> None:
    text = f"a{unit * length}"[:6000]
    assert normalize_text(text) == unicodedata.normalize("NFC", text)


def test_marks_without_end_are_composed_in_time_in_proportion() -> None:
    assert_linear(lambda size: "a" + "\u0301\u0323" * (size // 4), normalize_text, size=1_000_000, most=2.0)


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert suggest_text("Active", ()) is None


def test_the_most_expensive_configuration_is_refused_quickly() -> None:
    stages = [f"Stage number {number:02d} of many {'x' * 70}" for number in range(50)]
    document = {
        "stages": stages,
        "transitions": {stage: [f"{other}y" for other in stages] for stage in stages},
        "max_days": {f"{'a' * 150}{number}": 1 for number in range(10_000)},
    }

    began = time.process_time()
    errors = check(document)

    assert len(errors) == 201
    assert time.process_time() - began < 5
