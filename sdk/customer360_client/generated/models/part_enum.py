from enum import StrEnum


class PartEnum(StrEnum):
    ISSUES = "issues"
    OVERDUE_BALANCE = "overdue_balance"
    RENEWAL = "renewal"
    SATISFACTION = "satisfaction"
    STAGE = "stage"
    TIME_IN_STAGE = "time_in_stage"

    def __str__(self) -> str:
        return str(self.value)
