"""What several tests of the browser look at."""

from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import utc_now


def with_contacts(tenant, customer):
    fact = CustomerFacts(
        external_id=customer.external_id,
        source="/crm",
        occurred_at=utc_now(),
        contacts=[ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 123456")],
    )
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=system_actor("tests"), source="API", now=utc_now(), create=False)
