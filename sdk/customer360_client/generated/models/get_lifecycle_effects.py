from enum import StrEnum


class GetLifecycleEffects(StrEnum):
    DETAIL = "detail"

    def __str__(self) -> str:
        return str(self.value)
