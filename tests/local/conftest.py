"""Fixtures of the tests of the embedded services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.scene import Project, new_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project folder of its own."""
    with new_project(tmp_path / "a project's folder") as made:
        yield made
