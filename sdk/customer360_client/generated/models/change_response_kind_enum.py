from enum import StrEnum


class ChangeResponseKindEnum(StrEnum):
    CATEGORY_CHANGED = "category_changed"
    COLOR_CHANGED = "color_changed"
    EFFECT_ADDED = "effect_added"
    EFFECT_CHANGED = "effect_changed"
    EFFECT_REMOVED = "effect_removed"
    EVENT_RULES_CHANGED = "event_rules_changed"
    GUIDANCE_CHANGED = "guidance_changed"
    INITIAL_CHANGED = "initial_changed"
    MAX_DAYS_CHANGED = "max_days_changed"
    MONEY_CHANGED = "money_changed"
    REASON_CODES_CHANGED = "reason_codes_changed"
    REASON_NOT_REQUIRED = "reason_not_required"
    REASON_REQUIRED = "reason_required"
    SOURCE_PRIORITY_CHANGED = "source_priority_changed"
    STAGES_REORDERED = "stages_reordered"
    STAGE_ADDED = "stage_added"
    STAGE_REMOVED = "stage_removed"
    STAGE_RENAMED = "stage_renamed"
    TRANSITIONS_LISTED = "transitions_listed"
    TRANSITIONS_OPENED = "transitions_opened"
    TRANSITION_ADDED = "transition_added"
    TRANSITION_REMOVED = "transition_removed"

    def __str__(self) -> str:
        return str(self.value)
