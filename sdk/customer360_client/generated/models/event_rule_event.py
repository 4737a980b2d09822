from enum import StrEnum


class EventRuleEvent(StrEnum):
    CONTRACT_CANCELLED = "contract.cancelled"
    CONTRACT_RENEWED = "contract.renewed"
    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    SUPPORT_ISSUE_CLOSED = "support.issue.closed"

    def __str__(self) -> str:
        return str(self.value)
