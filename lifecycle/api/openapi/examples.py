"""Requests and answers to show."""

from drf_spectacular.utils import OpenApiExample

from lifecycle.api.openapi.refusals import PROBLEM_TYPE

MOVE = OpenApiExample(
    "Mark a customer as at risk",
    value={"stage": "At-Risk", "updated_by": "user-42", "reason_code": "Low Engagement"},
    request_only=True,
)
MOVED = OpenApiExample(
    "Moved",
    value={"success": True, "updated_at": "2025-07-28T12:34:00Z"},
    response_only=True,
    status_codes=["200"],
)
NOT_ALLOWED = OpenApiExample(
    "Not allowed from the customer's stage",
    value={
        "type": "urn:customer360:problem:transition_not_allowed",
        "title": "Bad Request",
        "status": 400,
        "detail": "A customer in “Churned” cannot be moved to “Active”. Choose one of: “Prospect”.",
        "code": "transition_not_allowed",
        "allowed": ["Prospect"],
        "errors": [
            {
                "pointer": "#/stage",
                "detail": "A customer in “Churned” cannot be moved to “Active”. Choose one of: “Prospect”.",
                "code": "transition_not_allowed",
            }
        ],
    },
    response_only=True,
    status_codes=["400"],
    media_type=PROBLEM_TYPE,
)
BATCH = OpenApiExample(
    "Try two moves",
    value={
        "dry_run": True,
        "items": [
            {"customer_id": "0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a90", "stage": "Active"},
            {
                "customer_id": "0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a91",
                "stage": "At-Risk",
                "reason_code": "Support Escalation",
                "version": 4,
            },
        ],
    },
    request_only=True,
)
CONFIGURATION = OpenApiExample(
    "A small configuration",
    value={
        "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
        "required_reason_codes": ["At-Risk", "Churned"],
        "categories": {"Prospect": "acquisition", "At-Risk": "risk", "Churned": "lost"},
        "reason_codes": {"At-Risk": ["Low Engagement", "Support Escalation"]},
        "max_days": {"Onboarded": 30},
    },
)
