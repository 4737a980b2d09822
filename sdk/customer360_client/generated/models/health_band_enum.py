from enum import StrEnum


class HealthBandEnum(StrEnum):
    GOOD = "good"
    POOR = "poor"
    UNKNOWN = "unknown"
    WATCH = "watch"

    def __str__(self) -> str:
        return str(self.value)
