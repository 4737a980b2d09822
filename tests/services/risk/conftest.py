"""Customers of whom much was reported over a year."""

import pytest

from tenants.context import tenant_context
from tests.factories import CustomerFactory
from tests.services.risk.rules import OWNERS, move, report


@pytest.fixture
def reported(tenant):
    """Ann was overdue for long and left, Bob paid and stays, Cyd left without a sign, Dan has issues now."""
    made = {name: CustomerFactory(tenant=tenant, name=name, owner=owner, stage=None) for name, owner in OWNERS.items()}
    with tenant_context(tenant.id):
        for customer in made.values():
            move(tenant, customer, 0, "Active", first=True)
        report(tenant, made["ann"], 10, billing={"arr": "1000", "currency": "EUR", "balance_overdue": "200"})
        report(tenant, made["ann"], 40, support={"open_issues": 7})
        move(tenant, made["ann"], 60.5, "Churned")
        report(tenant, made["bob"], 20, billing={"arr": "500", "currency": "EUR", "balance_overdue": "400"})
        report(tenant, made["bob"], 50, billing={"balance_overdue": "0"})
        move(tenant, made["cyd"], 100, "Churned")
        report(tenant, made["dan"], 290, support={"open_issues": 9})
    return made
