"""Names that people type: which one was meant, and that asking is cheap."""

import time

import pytest

from tenants.rules.configuration import check_configuration
from tenants.rules.texts import list_texts, suggest_text

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


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert suggest_text("Active", ()) is None


def test_names_are_listed_as_people_write_them() -> None:
    assert list_texts([]) == ""
    assert list_texts(["A"]) == "“A”"
    assert list_texts(["A", "B"]) == "“A” and “B”"
    assert list_texts(["A", "B", "C"], last="or") == "“A”, “B” or “C”"


def test_the_most_expensive_configuration_is_refused_quickly() -> None:
    stages = [f"Stage number {number:02d} of many {'x' * 70}" for number in range(50)]
    document = {
        "stages": stages,
        "transitions": {stage: [f"{other}y" for other in stages] for stage in stages},
        "max_days": {f"{'a' * 150}{number}": 1 for number in range(10_000)},
    }

    began = time.process_time()
    faults = check_configuration(document)

    assert len(faults) == 201
    assert time.process_time() - began < 5
