from enum import StrEnum


class UnpinFieldField(StrEnum):
    BILLING_ARR = "billing.arr"
    BILLING_BALANCE_OVERDUE = "billing.balance_overdue"
    BILLING_CONTRACT_ENDS_ON = "billing.contract_ends_on"
    BILLING_CONTRACT_ID = "billing.contract_id"
    BILLING_CONTRACT_STARTS_ON = "billing.contract_starts_on"
    BILLING_CURRENCY = "billing.currency"
    BILLING_MRR = "billing.mrr"
    BILLING_RENEWAL_ON = "billing.renewal_on"
    INDUSTRY = "industry"
    NAME = "name"
    OWNER = "owner"
    SEGMENT = "segment"
    SUPPORT_CSAT = "support.csat"
    SUPPORT_LAST_ISSUE_CLOSED_AT = "support.last_issue_closed_at"
    SUPPORT_LAST_ISSUE_ID = "support.last_issue_id"
    SUPPORT_LAST_ISSUE_SEVERITY = "support.last_issue_severity"
    SUPPORT_OPEN_ISSUES = "support.open_issues"
    WEBSITE = "website"

    def __str__(self) -> str:
        return str(self.value)
