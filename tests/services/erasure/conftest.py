"""A tenant with one customer and its contact."""

import pytest

from lifecycle.models import NO_TENANT, DeadLetter
from tenants.context import tenant_context
from tests.services.erasure.erasing import ZORA, Acme


@pytest.fixture
def acme(db: None) -> Acme:
    """A tenant with one customer, c1, and its contact, of whom no other test's letter without a tenant says a word."""
    with tenant_context(NO_TENANT):
        DeadLetter.objects.filter(tenant_id=NO_TENANT).delete()
    speaker = Acme()
    speaker.hear(speaker.created(contacts=[ZORA]))
    return speaker
