from enum import StrEnum


class EventConditionOp(StrEnum):
    EQ = "eq"
    EXISTS = "exists"
    GE = "ge"
    GT = "gt"
    IN = "in"
    LE = "le"
    LT = "lt"
    NE = "ne"

    def __str__(self) -> str:
        return str(self.value)
