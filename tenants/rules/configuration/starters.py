"""Starter configurations for new tenants: a few well-made lifecycles to begin with and then change."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tenants.rules.messages import gettext_noop


@dataclass(frozen=True, slots=True)
class Starter:
    """A configuration to begin with: its title, for whom it is, and the contract's JSON."""

    title: str
    summary: str
    document: Mapping[str, Any]


SAAS_SUBSCRIPTION = Starter(
    title=gettext_noop("SaaS subscription"),
    summary=gettext_noop("Yearly or monthly contracts, onboarding, adoption, renewal."),
    document={
        "stages": ["Prospect", "Onboarding", "Active", "Expanding", "Renewal Due", "At-Risk", "Churned"],
        "initial": "Prospect",
        "required_reason_codes": ["At-Risk", "Churned"],
        "transitions": {
            "Prospect": ["Onboarding", "Churned"],
            "Onboarding": ["Active", "At-Risk", "Churned"],
            "Active": ["Expanding", "Renewal Due", "At-Risk", "Churned"],
            "Expanding": ["Active", "Renewal Due", "At-Risk"],
            "Renewal Due": ["Active", "At-Risk", "Churned"],
            "At-Risk": ["Active", "Renewal Due", "Churned"],
            "Churned": ["Prospect"],
        },
        "categories": {
            "Prospect": "acquisition",
            "Onboarding": "onboarding",
            "Active": "engaged",
            "Expanding": "engaged",
            "Renewal Due": "renewal",
            "At-Risk": "risk",
            "Churned": "lost",
        },
        "reason_codes": {
            "At-Risk": [
                "Low Engagement",
                "Support Escalation",
                "Champion Left",
                "Payment Overdue",
                "Competitor Evaluation",
            ],
            "Churned": ["Price", "Missing Feature", "Out of Business", "Competitor", "No Longer Needed"],
        },
        "max_days": {"Prospect": 90, "Onboarding": 45, "Renewal Due": 60, "At-Risk": 30},
        "guidance": {
            "Onboarding": "Agree on the first outcome and its date. Hand over to Active when it is reached.",
            "Renewal Due": "Begin the renewal talk 60 days ahead: usage review, open issues, price.",
            "At-Risk": "Call within two working days, write down the cause, and agree on one next step with a date.",
        },
        "event_rules": [
            {"event": "contract.renewed", "from": ["Renewal Due", "At-Risk", "Expanding"], "to": "Active"},
            {
                "event": "support.issue.closed",
                "from": ["At-Risk"],
                "to": "Active",
                "when": [{"field": "open_issues", "op": "eq", "value": 0}, {"field": "csat", "op": "ge", "value": 4}],
            },
        ],
        "effects": [
            {
                "name": "Escalate to the owner",
                "on": "enter",
                "categories": ["risk"],
                "kind": "alert",
                "to": ["owner"],
                "escalate": [{"to": ["managers"], "after_minutes": 1440}],
            },
            {
                "name": "Renewal letter",
                "on": "enter",
                "categories": ["renewal"],
                "sources": ["UI", "API", "EventListener"],
                "kind": "email",
                "to": ["contacts"],
                "subject": "Your renewal with {{ tenant.name }}",
                "body": "Hello {{ recipient.name }},\n\nthe renewal of {{ customer.name }} is coming up. "
                "{{ customer.owner }} will call you about the next term.\n",
                "hold_minutes": 60,
            },
            {
                "name": "Renewal campaign",
                "on": "enter",
                "categories": ["renewal"],
                "kind": "event",
                "topic": "renewal.campaign.requested",
                "template": "renewal",
                "delay_minutes": 4320,
            },
            {"name": "Update the churn forecast", "on": "enter", "categories": ["risk", "lost"], "kind": "forecast"},
        ],
    },
)

PROFESSIONAL_SERVICES = Starter(
    title=gettext_noop("Professional services"),
    summary=gettext_noop("Projects and retainers: from the first conversation to the next engagement."),
    document={
        "stages": ["Lead", "Proposal", "Kick-off", "Delivering", "Follow-up", "Troubled", "Lost"],
        "initial": "Lead",
        "required_reason_codes": ["Troubled", "Lost"],
        "transitions": {
            "Lead": ["Proposal", "Lost"],
            "Proposal": ["Kick-off", "Lost"],
            "Kick-off": ["Delivering", "Troubled"],
            "Delivering": ["Follow-up", "Troubled"],
            "Follow-up": ["Proposal", "Kick-off", "Lost"],
            "Troubled": ["Delivering", "Follow-up", "Lost"],
            "Lost": ["Lead"],
        },
        "categories": {
            "Lead": "acquisition",
            "Proposal": "acquisition",
            "Kick-off": "onboarding",
            "Delivering": "engaged",
            "Follow-up": "renewal",
            "Troubled": "risk",
            "Lost": "lost",
        },
        "reason_codes": {
            "Troubled": ["Scope Dispute", "Delay", "Quality", "Key Person Left", "Payment Overdue"],
            "Lost": ["Price", "Timing", "Competitor", "No Budget", "Dissatisfied"],
        },
        "max_days": {"Lead": 60, "Proposal": 30, "Kick-off": 21, "Follow-up": 90, "Troubled": 14},
        "guidance": {
            "Troubled": "The engagement lead calls the sponsor in person and agrees on a recovery plan.",
            "Follow-up": "Ask for a reference and for the next need while the result is fresh.",
        },
        "event_rules": [{"event": "contract.renewed", "from": ["Follow-up"], "to": "Kick-off"}],
        "effects": [
            {
                "name": "Tell the account manager",
                "on": "enter",
                "categories": ["risk"],
                "kind": "alert",
                "to": ["owner"],
            },
        ],
    },
)

MARKETPLACE = Starter(
    title=gettext_noop("Marketplace"),
    summary=gettext_noop("Sellers on a platform: verified, listed, selling, dormant."),
    document={
        "stages": ["Applied", "Verified", "Listed", "Selling", "Dormant", "Suspended", "Closed"],
        "initial": "Applied",
        "required_reason_codes": ["Suspended", "Closed"],
        "transitions": {
            "Applied": ["Verified", "Closed"],
            "Verified": ["Listed", "Closed"],
            "Listed": ["Selling", "Dormant", "Suspended"],
            "Selling": ["Dormant", "Suspended", "Closed"],
            "Dormant": ["Listed", "Selling", "Closed"],
            "Suspended": ["Listed", "Closed"],
            "Closed": ["Applied"],
        },
        "categories": {
            "Applied": "acquisition",
            "Verified": "onboarding",
            "Listed": "onboarding",
            "Selling": "engaged",
            "Dormant": "renewal",
            "Suspended": "risk",
            "Closed": "lost",
        },
        "reason_codes": {
            "Suspended": ["Complaints", "Missing Documents", "Payment Overdue", "Policy Violation"],
            "Closed": ["Own Wish", "Fraud", "Inactivity", "Policy Violation"],
        },
        "max_days": {"Applied": 14, "Verified": 30, "Dormant": 120, "Suspended": 30},
        "guidance": {
            "Dormant": "Offer help with the next listing before the catalogue goes stale.",
            "Suspended": "Name the rule that was broken and what lifts the suspension.",
        },
        "event_rules": [
            {
                "event": "support.issue.closed",
                "from": ["Suspended"],
                "to": "Listed",
                "when": [{"field": "open_issues", "op": "eq", "value": 0}],
            }
        ],
        "effects": [
            {"name": "Notify the seller", "on": "enter", "stages": ["Suspended"], "kind": "email", "to": ["contacts"]},
            {"name": "Alert trust and safety", "on": "enter", "categories": ["risk"], "kind": "alert", "to": ["owner"]},
        ],
    },
)

STARTERS: Mapping[str, Starter] = MappingProxyType(
    {
        "saas-subscription": SAAS_SUBSCRIPTION,
        "professional-services": PROFESSIONAL_SERVICES,
        "marketplace": MARKETPLACE,
    }
)
