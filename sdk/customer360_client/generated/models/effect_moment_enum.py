from enum import StrEnum


class EffectMomentEnum(StrEnum):
    ENTER = "enter"
    LEAVE = "leave"

    def __str__(self) -> str:
        return str(self.value)
