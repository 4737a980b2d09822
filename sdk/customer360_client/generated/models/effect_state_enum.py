from enum import StrEnum


class EffectStateEnum(StrEnum):
    CANCELLED = "cancelled"
    DONE = "done"
    DUE = "due"
    FAILED = "failed"
    HELD = "held"
    SENDING = "sending"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)
