from enum import StrEnum


class ScopesEnum(StrEnum):
    CONFIGURE_STAGES = "configure_stages"
    MANAGE_PEOPLE = "manage_people"
    MUTE_EFFECTS = "mute_effects"
    UPDATE_LIFECYCLE = "update_lifecycle"
    VIEW_HISTORY = "view_history"
    VIEW_LIFECYCLE = "view_lifecycle"

    def __str__(self) -> str:
        return str(self.value)
