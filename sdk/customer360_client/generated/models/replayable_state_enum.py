from enum import StrEnum


class ReplayableStateEnum(StrEnum):
    FAILED = "failed"
    HELD = "held"

    def __str__(self) -> str:
        return str(self.value)
