"""A crowd of customers, and which of them a list shows, worked out in plain Python."""

import datetime as dt
import random
from decimal import Decimal

from lifecycle.models import BillingFigures, Customer, SupportFigures
from lifecycle.rules.health import days_in_stage, health, overdue
from lifecycle.rules.urgency import urgency
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.rules.values import sort_key
from tenants.services.configuration.policies import live_policy
from tests.factories import SAAS, utc_now

STAGES = SAAS["stages"]
OWNERS = ("ann@saas.example", "bob@saas.example", "")
NOW = utc_now()
COUNT = 75


def make_customers(tenant, *, count=COUNT, seed=7):
    """Customers of every kind, made in three batches at different times; equal names and figures are frequent."""
    chance = random.Random(seed)

    def facts(number):
        billing, support = {}, {}
        if chance.random() < 0.85:
            billing = {
                "currency": chance.choice(["EUR", "USD", "USD", "JPY", "XTS"]),
                "arr": chance.choice([None, "0", "100", "12000.50", "12000.50", "990000"]),
                "balance_overdue": chance.choice([None, "0", "50", "9000"]),
                "renewal_on": chance.choice(
                    [None, *(str(NOW.date() + dt.timedelta(days=d)) for d in (-300, -20, -20, -1, 0, 5, 5, 80))]
                ),
            }
        if chance.random() < 0.8:
            support = {"open_issues": chance.choice([None, 0, 2, 9]), "csat": chance.choice([None, "1.5", "3.25", "5"])}
        stage = chance.choice(STAGES)
        return CustomerFacts(
            external_id=f"crm-{number:04d}",
            source="/crm",
            occurred_at=NOW - dt.timedelta(days=300),
            company={
                "name": f"{chance.choice(['Acme', 'Äpfel', 'acme', 'Zorg_1', 'Zorg%1'])} {chance.randrange(40)}",
                "owner": chance.choice(OWNERS),
                "industry": ("Shipping", "shipping", "Ökolandbau", "")[number % 4],
            },
            contacts=[ContactFacts(name="Ann", email=f"Person{number}@x.example")],
            billing=billing,
            support=support,
            stage=stage,
            reason_code="Usage Dropped" if stage == "Wobbly" else "why",
            stage_entered_at=NOW - dt.timedelta(days=chance.choice([0, 1, 13, 14, 15, 59, 61, 200]), minutes=7),
        )

    everybody = [facts(number) for number in range(count)]
    with tenant_context(tenant.id):
        for batch in range(3):
            record_customers(
                everybody[batch::3],
                tenant=tenant,
                actor=system_actor("tests"),
                source="Import",
                now=NOW - dt.timedelta(hours=3 - batch),
                create=True,
            )


class Oracle:
    """The same list by plain Python over all rows."""

    def __init__(self, tenant):
        with tenant_context(tenant.id):
            self.policy = live_policy(tenant.id)
            self.rows = list(Customer.objects.select_related("status").filter(tenant_id=tenant.id))
            self.billing = {row.customer_id: row for row in BillingFigures.objects.all()}
            self.support = {row.customer_id: row for row in SupportFigures.objects.all()}

    def figure(self, customer, name):
        rows = self.support if name in ("open_issues", "csat") else self.billing
        return getattr(rows.get(customer.id), name, None)

    def days_to_renewal(self, customer):
        renewal = self.figure(customer, "renewal_on")
        return None if renewal is None else (renewal - NOW.date()).days

    def rate(self, customer):
        return self.policy.exchange_table.get(self.figure(customer, "currency") or "")

    def health(self, customer):
        status = customer.status
        return health(
            category=self.policy.category(status.stage),
            days_over=overdue(self.policy.max_days(status.stage), days_in_stage(status.stage_entered_at, NOW)),
            arr=self.figure(customer, "arr"),
            balance_overdue=self.figure(customer, "balance_overdue"),
            open_issues=self.figure(customer, "open_issues"),
            csat=self.figure(customer, "csat"),
            days_to_renewal=self.days_to_renewal(customer),
        )

    def urgency(self, customer):
        return urgency(
            penalty=self.health(customer).penalty,
            category=self.policy.category(customer.status.stage),
            arr=self.figure(customer, "arr"),
            rate=self.rate(customer),
            days_to_renewal=self.days_to_renewal(customer),
        )

    def has_nothing(self, customer):
        arr = self.figure(customer, "arr")
        is_lost = self.policy.category(customer.status.stage) == "lost"
        return is_lost or arr is None or arr < 1 or self.rate(customer) is None

    def worth(self, customer):
        arr, rate = self.figure(customer, "arr"), self.rate(customer)
        return None if arr is None or rate is None else arr * Decimal(repr(rate))

    def balance(self, customer):
        overdue, rate = self.figure(customer, "balance_overdue"), self.rate(customer)
        return None if overdue is None or rate is None else overdue * Decimal(repr(rate))

    def next_renewal(self, customer):
        """Those ahead by their distance, then those past by theirs."""
        days = self.days_to_renewal(customer)
        return None if days is None else (days < 0, abs(days))

    def is_stuck(self, customer):
        limit = self.policy.max_days(customer.status.stage)
        return overdue(limit, days_in_stage(customer.status.stage_entered_at, NOW)) > 0

    def passes(self, customer, query):
        text = (query.search or "").lower()
        category = self.policy.category(customer.status.stage)
        renewal = self.figure(customer, "renewal_on")
        number = int(customer.external_id[4:])
        if "@" in text:
            found = text == f"person{number}@x.example"
        elif len(text) < 3:
            found = customer.name_key.startswith(sort_key(text)) or customer.external_id.startswith(text)
        else:
            found = sort_key(text) in customer.name_key or sort_key(text) in customer.external_id.lower()
        return (
            (not query.stages or customer.status.stage in query.stages)
            and (query.category is None or category == query.category)
            and (not query.at_risk or category == "risk")
            and (not query.stuck or self.is_stuck(customer))
            and (query.owner is None or customer.owner == query.owner)
            and (query.industry is None or customer.industry.lower() == query.industry.lower())
            and (
                query.renewal_within is None
                or (renewal is not None and 0 <= (renewal - NOW.date()).days <= query.renewal_within)
            )
            and found
        )

    def rank(self, customer, search):
        """The very name or id, the beginning of either, of a word, any part."""
        text, names = ("", "") if "@" in search else (search.lower(), (customer.name_key, customer.external_id))
        if not text:
            return 1
        key = sort_key(text)
        exact, begins = key == names[0] or text == names[1], names[0].startswith(key) or names[1].startswith(text)
        return 0 if exact else 1 if begins else 2 if f" {key}" in names[0] else 3

    def ids(self, query):
        name, backward = query.ordering.removeprefix("-"), query.ordering.startswith("-")
        keys = {
            "updated_at": lambda customer: customer.status.updated_at,
            "name": lambda customer: customer.name_key,
            "arr": self.worth,
            "health": lambda customer: self.health(customer).score,
            "renewal_on": self.next_renewal if not backward else lambda customer: self.figure(customer, "renewal_on"),
            # Those with nothing at stake last, either way.
            "urgency": lambda customer: (self.has_nothing(customer) is not backward, self.urgency(customer)),
            "stage": lambda customer: self.policy.stages.index(customer.status.stage),
            "days_in_stage": lambda customer: customer.status.stage_entered_at,
            "owner": lambda customer: customer.owner or None,
            "industry": lambda customer: customer.industry.lower() or None,
            "segment": lambda customer: customer.segment.lower() or None,
            "open_issues": lambda customer: self.figure(customer, "open_issues"),
            "csat": lambda customer: self.figure(customer, "csat"),
            "balance_overdue": self.balance,
        }
        # The shortest stay began last.
        backward = backward is not (name == "days_in_stage")
        keys["match"] = lambda customer: (self.rank(customer, query.search or ""), customer.name_key)
        rows = [(keys[name](customer), customer.id) for customer in self.rows if self.passes(customer, query)]
        # Without the key last, whichever way the others are ordered.
        known = sorted((row for row in rows if row[0] is not None), reverse=backward)
        unknown = sorted((row for row in rows if row[0] is None), key=lambda row: row[1], reverse=backward)
        return [id_ for _, id_ in known + unknown]
