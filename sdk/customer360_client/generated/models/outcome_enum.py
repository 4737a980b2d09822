from enum import StrEnum


class OutcomeEnum(StrEnum):
    APPLIED = "applied"
    DEAD = "dead"
    DUPLICATE = "duplicate"
    NOOP = "noop"
    STALE = "stale"

    def __str__(self) -> str:
        return str(self.value)
