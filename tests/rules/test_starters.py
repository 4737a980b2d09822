"""The starter configurations are in order, down to the warnings."""

import pytest

from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.starters import STARTERS
from tests.rules.documents import check


@pytest.mark.parametrize("name", list(STARTERS))
def test_a_starter_has_no_fault_and_no_warning(name: str) -> None:
    assert check(dict(STARTERS[name].document)) == []


@pytest.mark.parametrize("name", list(STARTERS))
def test_a_starter_knows_risk_and_loss(name: str) -> None:
    categories = {stage.category for stage in parse_configuration(dict(STARTERS[name].document)).definitions}
    assert {"acquisition", "risk", "lost"} <= categories
