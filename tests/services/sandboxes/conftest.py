"""A sandbox, and its people."""

import pytest

from lifecycle.services.demo import sandboxes
from tenants.actors import TenantRef
from tenants.services.accounts.people import create_tenant
from tests.conftest import People, make_people
from tests.factories import ADMIN_ACTOR, utc_now


@pytest.fixture
def sandbox(db: None, monkeypatch: pytest.MonkeyPatch) -> TenantRef:
    """A sandbox that was never filled, of 12 customers."""
    monkeypatch.setattr(sandboxes, "CUSTOMERS", 12)
    slug = f"s-{utc_now().timestamp():.6f}".replace(".", "-")
    return create_tenant(slug=slug, name="Try it", actor=ADMIN_ACTOR, now=utc_now(), is_sandbox=True)


@pytest.fixture
def people(sandbox: TenantRef) -> People:
    return make_people(sandbox)
