from enum import StrEnum


class CategoryEnum(StrEnum):
    ACQUISITION = "acquisition"
    ENGAGED = "engaged"
    LOST = "lost"
    ONBOARDING = "onboarding"
    RENEWAL = "renewal"
    RISK = "risk"

    def __str__(self) -> str:
        return str(self.value)
