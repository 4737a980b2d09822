"""A tenant with one customer and its contact."""

import pytest

from tests.services.erasure.erasing import ZORA, Acme


@pytest.fixture
def acme(db: None) -> Acme:
    """A tenant with one customer, c1, and its contact."""
    speaker = Acme()
    speaker.hear(speaker.created(contacts=[ZORA]))
    return speaker
