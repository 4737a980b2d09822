from enum import StrEnum


class EffectDefinitionSourcesItem(StrEnum):
    API = "API"
    EVENTLISTENER = "EventListener"
    IMPORT = "Import"
    UI = "UI"

    def __str__(self) -> str:
        return str(self.value)
