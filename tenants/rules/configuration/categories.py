"""The categories that stages may have. They carry the meaning: code never tests a stage's name."""

from typing import Final

# The two that figures, health and forecasts ask for by name.
RISK: Final = "risk"
LOST: Final = "lost"
CATEGORIES: Final[tuple[str, ...]] = ("acquisition", "onboarding", "engaged", RISK, "renewal", LOST)
