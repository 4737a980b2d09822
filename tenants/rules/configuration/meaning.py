"""What a stage means when its configuration does not say: the only place that looks at the name of a stage."""

import re

from tenants.rules.configuration.definitions import DEFAULT_CATEGORY
from tenants.rules.texts import fold_text

# The first row that has a word which begins like this decides: "Churn Risk" is a risk, not a loss.
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("risk", ("risk", "escalat", "endanger", "unhealthy", "critical", "atrisk")),
    ("lost", ("churn", "lost", "cancel", "terminat", "former", "departed", "expired", "inactive", "offboard")),
    ("renewal", ("renew", "expiring")),
    ("onboarding", ("onboard", "implement", "setup", "activation", "kickoff", "integrat")),
    ("acquisition", ("prospect", "lead", "opportunit", "qualif", "trial", "pilot", "evaluat", "negotiat", "proposal")),
)
_WORD = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def infer_category(name: str) -> str:
    """The category that the name of a stage suggests; ``engaged`` if it suggests none.

    Used only for a configuration without the key ``categories``, as in DM-4, so that its customers at risk are found.
    """
    words = [fold_text(word) for word in _WORD.findall(_HUMP.sub(" ", name))]
    for category, beginnings in _WORDS:
        if any(word.startswith(beginnings) for word in words):
            return category
    return DEFAULT_CATEGORY
