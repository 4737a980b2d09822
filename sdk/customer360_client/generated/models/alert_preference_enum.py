from enum import StrEnum


class AlertPreferenceEnum(StrEnum):
    AT_ONCE = "at_once"
    DIGEST = "digest"
    OFF = "off"

    def __str__(self) -> str:
        return str(self.value)
