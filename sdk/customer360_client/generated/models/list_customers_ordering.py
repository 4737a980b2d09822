from enum import StrEnum


class ListCustomersOrdering(StrEnum):
    ARR = "arr"
    BALANCE_OVERDUE = "balance_overdue"
    CSAT = "csat"
    DAYS_IN_STAGE = "days_in_stage"
    HEALTH = "health"
    INDUSTRY = "industry"
    MATCH = "match"
    NAME = "name"
    OPEN_ISSUES = "open_issues"
    OWNER = "owner"
    RENEWAL_ON = "renewal_on"
    SEGMENT = "segment"
    STAGE = "stage"
    UPDATED_AT = "updated_at"
    URGENCY = "urgency"
    VALUE_0 = "-arr"
    VALUE_1 = "-balance_overdue"
    VALUE_10 = "-segment"
    VALUE_11 = "-stage"
    VALUE_12 = "-updated_at"
    VALUE_13 = "-urgency"
    VALUE_2 = "-csat"
    VALUE_3 = "-days_in_stage"
    VALUE_4 = "-health"
    VALUE_5 = "-industry"
    VALUE_6 = "-name"
    VALUE_7 = "-open_issues"
    VALUE_8 = "-owner"
    VALUE_9 = "-renewal_on"

    def __str__(self) -> str:
        return str(self.value)
