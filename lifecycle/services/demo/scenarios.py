"""The two tenants of the demo: their configurations, their people, and how their customers tend to move.

Their lifecycles differ in everything a configuration can say, so that nothing may rely on a stage's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenants.roles import Role
from tenants.services.accounts.logins import DEMO_PASSWORD

PASSWORD = DEMO_PASSWORD


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a stage. The soonest of a stage's exits is the one that happens.

    It comes ``mean_days`` after the customer entered, on average, but not before ``least_days``; or, with
    ``at_renewal``, in the weeks before the contract's anniversary, in that share of the cases. ``entry_points`` weighs
    who does it: UI, API or EventListener.
    """

    to: str
    mean_days: float = 0
    least_days: float = 0
    at_renewal: float = 0
    entry_points: tuple[tuple[str, int], ...] = (("UI", 1),)
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Login:
    """A person (or service account) of the demo."""

    username: str
    full_name: str
    role: Role
    is_service_account: bool = False
    team: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One tenant. ``signed`` is the stage in which a contract begins, and where customers from before the product
    were put when it was introduced. ``country`` is the tenant's own, ``currencies`` those of customers in others.
    In ``language`` its people name stages and write.
    """

    slug: str
    name: str
    prefix: str
    first_company: int
    country: str
    language: str
    currency: str
    currencies: Mapping[str, str]
    document: Mapping[str, Any]
    people: tuple[Login, ...]
    signed: str
    exits: Mapping[str, tuple[Exit, ...]]


_ACME_RISKS = ("Low Engagement", "Support Escalation", "Champion Left", "Budget Cut", "Late Payment")
_ACME_LOSSES = ("Price", "Competitor", "Missing Feature", "Out of Business", "No Decision")

ACME_DOCUMENT: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Renewed", "Churned"],
    "required_reason_codes": ["At-Risk", "Churned"],
    "initial": "Prospect",
    "transitions": {
        "Prospect": ["Onboarded", "Churned"],
        "Onboarded": ["Active", "At-Risk", "Churned"],
        "Active": ["At-Risk", "Renewed", "Churned"],
        "At-Risk": ["Active", "Renewed", "Churned"],
        "Renewed": ["Active", "At-Risk", "Churned"],
        "Churned": ["Prospect"],
    },
    "categories": {
        "Prospect": "acquisition",
        "Onboarded": "onboarding",
        "Active": "engaged",
        "At-Risk": "risk",
        "Renewed": "renewal",
        "Churned": "lost",
    },
    "reason_codes": {"At-Risk": list(_ACME_RISKS), "Churned": list(_ACME_LOSSES)},
    "event_rules": [
        {
            "event": "contract.renewed",
            "from": ["Active", "At-Risk"],
            "to": "Renewed",
            "reason_code": "Contract Renewed",
        },
        {
            "event": "support.issue.closed",
            "from": ["At-Risk"],
            "to": "Active",
            "reason_code": "Issues Resolved",
            "when": [{"field": "open_issues", "op": "eq", "value": 0}, {"field": "csat", "op": "ge", "value": 4}],
        },
    ],
    "max_days": {"Prospect": 90, "Onboarded": 30, "At-Risk": 21, "Renewed": 45},
    "effects": [
        {
            "name": "Escalate to the owner",
            "on": "enter",
            "categories": ["risk"],
            "kind": "alert",
            "to": ["owner"],
            "subject": "{{ customer.name }} is at risk: {{ reason }}",
            "escalate": [{"to": ["managers"], "after_minutes": 1440}],
        },
        {
            "name": "Renewal campaign",
            "on": "enter",
            "stages": ["Renewed"],
            "kind": "email",
            "to": ["contacts"],
            "subject": "Thank you for renewing, {{ customer.name }}",
            "body": "Hello {{ recipient.name }},\n\nthank you for another term with {{ tenant.name }}. "
            "{{ customer.owner }} remains your contact.\n",
        },
        {
            "name": "Offer help",
            "on": "enter",
            "categories": ["risk"],
            "sources": ["API"],
            "kind": "email",
            "to": ["contacts"],
            "subject": "Can we help, {{ customer.name }}?",
            "body": "Hello {{ recipient.name }},\n\nwe have the impression that not everything goes as you hoped. "
            "Answer with a time that suits you, and {{ customer.owner }} calls.\n",
        },
        {"name": "Update the churn forecast", "on": "enter", "categories": ["risk", "lost"], "kind": "forecast"},
    ],
    "guidance": {
        "Onboarded": "Kick-off within a week. First value within thirty days, or let the account manager know why.",
        "At-Risk": "Call within one working day.\nAgree on a plan with a date, and write it down in the note.",
        "Churned": "Ask why, thank them, and note who could be won back in a year.",
    },
    "currency": "USD",
    "rates": {"EUR": 1.14},
}

ACME = Scenario(
    slug="acme",
    name="Acme Corporation",
    prefix="ACME",
    first_company=0,
    country="US",
    language="en",
    currency="USD",
    currencies={"DE": "EUR", "FR": "EUR", "NL": "EUR"},
    document=ACME_DOCUMENT,
    people=(
        Login("viewer@acme.example", "Vera Whitaker", Role.VIEWER),
        Login("manager@acme.example", "Marco Delgado", Role.ACCOUNT_MANAGER, team="East"),
        Login("admin@acme.example", "Amara Osei", Role.TENANT_ADMIN),
        Login("workflow@acme.example", "Contract workflow", Role.ACCOUNT_MANAGER, is_service_account=True),
        Login("priya.raman@acme.example", "Priya Raman", Role.ACCOUNT_MANAGER, team="East"),
        Login("jonas.lindqvist@acme.example", "Jonas Lindqvist", Role.ACCOUNT_MANAGER, team="West"),
        Login("grace.okafor@acme.example", "Grace Okafor", Role.ACCOUNT_MANAGER, team="East"),
        Login("tomas.novak@acme.example", "Tomas Novak", Role.ACCOUNT_MANAGER, team="West"),
        Login("elena.ferrante@acme.example", "Elena Ferrante", Role.ACCOUNT_MANAGER, team="West"),
    ),
    signed="Active",
    exits={
        "Prospect": (
            Exit("Onboarded", 45, 3, entry_points=(("UI", 6), ("API", 4))),
            Exit("Churned", 260, 14, reasons=("Price", "Competitor", "No Decision")),
        ),
        "Onboarded": (
            Exit("Active", 24, 5, entry_points=(("UI", 8), ("API", 2))),
            Exit("At-Risk", 300, 15, reasons=("Low Engagement", "Champion Left")),
        ),
        "Active": (
            Exit("At-Risk", 520, 10, entry_points=(("UI", 8), ("API", 2)), reasons=_ACME_RISKS),
            Exit("Renewed", at_renewal=0.93, entry_points=(("API", 6), ("EventListener", 4))),
            Exit("Churned", 4000, 60, reasons=("Competitor", "Out of Business")),
        ),
        "At-Risk": (
            Exit("Active", 45, 3, entry_points=(("UI", 7), ("EventListener", 3))),
            Exit("Renewed", at_renewal=0.5, entry_points=(("API", 6), ("EventListener", 4))),
            Exit("Churned", 110, 10, reasons=_ACME_LOSSES),
        ),
        "Renewed": (Exit("Active", 21, 2, entry_points=(("API", 6), ("UI", 4))),),
        "Churned": (Exit("Prospect", 1500, 120),),
    },
)

_GLOBEX_WORRIES = ("Nutzung eingebrochen", "Ansprechpartner gewechselt", "Lieferprobleme", "Rechnung strittig")
_GLOBEX_LOSSES = ("Selbst gebaut", "Zum Wettbewerb", "Insolvent", "Standort geschlossen")

GLOBEX_DOCUMENT: dict[str, Any] = {
    "stages": ["Interessent", "Pilot", "Einführung", "Produktiv", "Gefährdet", "Verlängerung", "Beendet"],
    "required_reason_codes": ["Gefährdet", "Beendet"],
    "initial": "Interessent",
    "transitions": {
        "Interessent": ["Pilot", "Beendet"],
        "Pilot": ["Einführung", "Beendet"],
        "Einführung": ["Produktiv", "Gefährdet"],
        "Produktiv": ["Gefährdet", "Verlängerung"],
        "Gefährdet": ["Produktiv", "Verlängerung", "Beendet"],
        "Verlängerung": ["Produktiv", "Gefährdet", "Beendet"],
    },
    "categories": {
        "Interessent": "acquisition",
        "Pilot": "onboarding",
        "Einführung": "onboarding",
        "Produktiv": "engaged",
        "Gefährdet": "risk",
        "Verlängerung": "renewal",
        "Beendet": "lost",
    },
    "reason_codes": {"Gefährdet": list(_GLOBEX_WORRIES), "Beendet": list(_GLOBEX_LOSSES)},
    "event_rules": [
        {
            "event": "contract.renewed",
            "from": ["Verlängerung", "Gefährdet"],
            "to": "Produktiv",
            "reason_code": "Unterschrieben",
        },
    ],
    "max_days": {"Interessent": 60, "Pilot": 45, "Einführung": 75, "Gefährdet": 14, "Verlängerung": 60},
    "effects": [
        {
            "name": "Betreuer benachrichtigen",
            "on": "enter",
            "stages": ["Gefährdet"],
            "kind": "alert",
            "to": ["managers"],
        },
        {
            "name": "Schreiben zur Verlängerung",
            "on": "enter",
            "categories": ["renewal"],
            "kind": "email",
            "to": ["contacts"],
            "subject": "{{ customer.name }}: Ihre Verlängerung",
            "body": "Guten Tag {{ recipient.name }},\n\nIhr Vertrag steht zur Verlängerung an. "
            "{{ customer.owner }} meldet sich bei Ihnen.\n",
        },
        {
            "name": "Liste zur Rückgewinnung",
            "on": "enter",
            "stages": ["Beendet"],
            "from": ["Verlängerung", "Gefährdet", "Produktiv"],
            "kind": "email",
            "to": ["admins"],
            "subject": "{{ customer.name }} zurückgewinnen",
        },
        {
            "name": "Hilfe anbieten",
            "on": "enter",
            "stages": ["Gefährdet"],
            "sources": ["API"],
            "kind": "email",
            "to": ["contacts"],
            "subject": "{{ customer.name }}: Können wir helfen?",
            "body": "Guten Tag {{ recipient.name }},\n\nwir haben den Eindruck, dass nicht alles wie gewünscht läuft. "
            "Antworten Sie mit einer Zeit, die Ihnen passt; {{ customer.owner }} ruft an.\n",
        },
        {"name": "Abwanderungsprognose", "on": "leave", "categories": ["risk"], "kind": "forecast"},
    ],
    "colors": {
        "Interessent": "#4a5568",
        "Pilot": "#2b6cb0",
        "Einführung": "#0e7490",
        "Produktiv": "#276749",
        "Gefährdet": "#c05621",
        "Beendet": "#742a2a",
    },
    "guidance": {
        "Gefährdet": "Vor Ort besuchen. Innerhalb von zwei Wochen einen Plan vereinbaren.",
        "Verlängerung": "Das Angebot mindestens sechzig Tage vorher senden.",
    },
    "currency": "EUR",
    "rates": {"GBP": 1.17},
}

GLOBEX = Scenario(
    slug="globex",
    name="Globex International",
    prefix="GX",
    first_company=200_000,
    country="DE",
    language="de",
    currency="EUR",
    currencies={"GB": "GBP"},
    document=GLOBEX_DOCUMENT,
    people=(
        Login("manager@globex.example", "Ingrid Sørensen", Role.ACCOUNT_MANAGER, team="Nord"),
        Login("admin@globex.example", "Rafael Moreau", Role.TENANT_ADMIN),
        Login("keiko.iwata@globex.example", "Keiko Iwata", Role.ACCOUNT_MANAGER, team="Süd"),
        Login("hassan.yilmaz@globex.example", "Hassan Yılmaz", Role.ACCOUNT_MANAGER, team="Nord"),
        Login("integration@globex.example", "ERP integration", Role.ACCOUNT_MANAGER, is_service_account=True),
    ),
    signed="Produktiv",
    exits={
        "Interessent": (
            Exit("Pilot", 40, 5),
            Exit("Beendet", 200, 20, reasons=("Zum Wettbewerb", "Selbst gebaut")),
        ),
        "Pilot": (
            Exit("Einführung", 35, 10, entry_points=(("UI", 7), ("API", 3))),
            Exit("Beendet", 220, 20, reasons=("Zum Wettbewerb", "Selbst gebaut")),
        ),
        "Einführung": (Exit("Produktiv", 60, 14), Exit("Gefährdet", 260, 20, reasons=("Lieferprobleme",))),
        "Produktiv": (
            Exit("Gefährdet", 480, 10, entry_points=(("UI", 7), ("API", 3)), reasons=_GLOBEX_WORRIES),
            Exit("Verlängerung", at_renewal=0.95, entry_points=(("API", 1),)),
        ),
        "Gefährdet": (
            Exit("Produktiv", 40, 3),
            Exit("Verlängerung", at_renewal=0.6, entry_points=(("API", 1),)),
            Exit("Beendet", 120, 10, reasons=_GLOBEX_LOSSES),
        ),
        "Verlängerung": (
            Exit("Produktiv", 30, 5, entry_points=(("EventListener", 7), ("UI", 3))),
            Exit("Beendet", 260, 20, reasons=_GLOBEX_LOSSES),
        ),
        "Beendet": (),
    },
)

SCENARIOS = (ACME, GLOBEX)
STAFF = (Login("super@wiseapp.example", "Sam Super", Role.SUPER_ADMIN),)
