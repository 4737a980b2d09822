from enum import StrEnum


class NotificationResponseKindEnum(StrEnum):
    ALERT = "alert"
    MENTION = "mention"
    TASK = "task"

    def __str__(self) -> str:
        return str(self.value)
