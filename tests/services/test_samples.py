"""Files as programs wrote them, each through the entry point that it is meant for, against its right values.

``tests/data/samples`` holds them; one without its row here fails.
"""

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command

from lifecycle.models import BillingFigures, Contact, Customer, CustomerLifecycleStatus
from lifecycle.rules.envelopes import Message, receive
from lifecycle.services.events.processing import CONSUMER, process_events
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import utc_now

SAMPLES = Path(__file__).parent.parent / "data" / "samples"

# File -> the encoding to name where it is refused without one, customers by id, how many lines are rejected.
FILES: dict[str, tuple[str | None, dict[str, str], int]] = {
    "polish-windows-1250.csv": (
        "windows-1250",
        {"PL-1": "Zakłady Łódź Sp. z o.o.", "PL-2": "Škoda Plzeň"},
        0,
    ),
    "russian-windows-1251.csv": ("windows-1251", {"RU-1": "Ромашка и партнёры"}, 0),
    "japanese-shift-jis.csv": ("shift-jis", {"JP-1": "株式会社結城電機"}, 0),
    "late-fields.ndjson": (None, {f"LF-{number}": f"Late {number}" for number in range(1, 151)}, 0),
    "mangled-ids.ndjson": (None, {"00124": "Kept as text by Excel", "1002": "A good number"}, 3),
    "salesforce-accounts.csv": (
        None,
        {"001000000000001AAA": "Northern Lights Ltd", "001000000000002AAA": "Quiet Harbor Inc"},
        0,
    ),
    "telco-contract.csv": (None, {"7590-A": "7590-A", "5575-B": "5575-B"}, 0),
    "short-rows.csv": (None, {"SR-1": "Short One", "SR-2": "Short Two", "SR-3": "Long Three"}, 0),
    "old-mac.csv": (None, {"OM-1": "Carriage Returns Ltd", "OM-2": "No Line Feeds SA"}, 0),
    "excel-sep-line.csv": (None, {"ES-1": "Semikolon GmbH"}, 0),
}
# What else is right in some of them.
AMOUNTS = {
    "late-fields.ndjson": {"LF-150": Decimal("1350.00"), "LF-122": Decimal("1322.00")},
    "excel-sep-line.csv": {"ES-1": Decimal("1234.50")},
    "short-rows.csv": {"SR-2": Decimal("100.00"), "SR-3": Decimal("100.00")},
}


def import_sample(path: Path, tenant: TenantRef, *options: str) -> str:
    """What is said against it; '' for nothing."""
    try:
        call_command("import_customers", str(path), "--tenant", tenant.slug, *options, stdout=StringIO())
    except CommandError as error:
        return str(error)
    return ""


def test_every_sample_has_its_right_values_here() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {*FILES, "events.ndjson"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_it_was_meant(name: str, tenant: Any, tmp_path: Path) -> None:
    encoding, customers, rejected = FILES[name]
    path = tmp_path / name
    path.write_bytes((SAMPLES / name).read_bytes())
    if encoding is not None:
        assert encoding in import_sample(path, tenant)
        with tenant_context(tenant.id):
            assert not Customer.objects.exists()
    sentence = import_sample(path, tenant, *(["--encoding", encoding] if encoding else []))
    assert sentence == (f"{rejected} of {rejected + len(customers)} lines were rejected." if rejected else "")
    with tenant_context(tenant.id):
        assert dict(Customer.objects.values_list("external_id", "name")) == customers
        amounts = dict(BillingFigures.objects.values_list("customer__external_id", "arr"))
        assert AMOUNTS.get(name, {}).items() <= amounts.items()
        assert not BillingFigures.objects.exclude(contract_id="").exists(), "a kind of contract is no contract"
        if name == "late-fields.ndjson":
            assert Customer.objects.filter(owner="manager@acme.example").count() == 29


def test_the_events_are_read_as_they_were_meant(tenant: Any) -> None:
    for line in (SAMPLES / "events.ndjson").read_bytes().splitlines():
        document = orjson.loads(line) | {"tenantid": tenant.slug}
        key = document["data"]["external_id"].encode()
        message = Message(document["type"], 0, 1, key, orjson.dumps(document))
        process_events([receive(message)], tenants={tenant.slug: tenant}, actor=CONSUMER, now=utc_now())
    with tenant_context(tenant.id):
        customers = dict(Customer.objects.values_list("external_id", "name"))
        assert customers == {
            "EV-1": "A blank at the end of the id",
            "Café-2": "Decomposed id",
            "EV-3": "A good name",
            "EV-6": "Empty address",
            "EV-7": "Display form",
        }
        people = Contact.objects.select_related("customer").order_by("customer__external_id")
        assert [one.customer.external_id for one in people] == ["EV-6", "EV-7"]
        assert BillingFigures.objects.get(customer__external_id="EV-3").arr == Decimal("1234.565")
        assert min(CustomerLifecycleStatus.objects.values_list("stage_entered_at", flat=True)).year >= 2026
