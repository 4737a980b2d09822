from enum import StrEnum


class WhyEnum(StrEnum):
    AGE = "age"
    PINNED = "pinned"
    PRIORITY = "priority"

    def __str__(self) -> str:
        return str(self.value)
