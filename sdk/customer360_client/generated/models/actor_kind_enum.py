from enum import StrEnum


class ActorKindEnum(StrEnum):
    SERVICE = "service"
    SYSTEM = "system"
    USER = "user"

    def __str__(self) -> str:
        return str(self.value)
