from enum import StrEnum


class EffectKindEnum(StrEnum):
    ALERT = "alert"
    EMAIL = "email"
    EVENT = "event"
    FORECAST = "forecast"
    WEBHOOK = "webhook"

    def __str__(self) -> str:
        return str(self.value)
