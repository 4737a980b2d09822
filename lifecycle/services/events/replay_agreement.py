"""What replayed dead letters may start: nothing, unless it was named first; and no more than that."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from lifecycle.sentences import Refusal
from tenants.rules.configuration.definitions import Effect

# An effect of a tenant, as often as it starts.
Starting = tuple[UUID, Effect]


class MoreWouldStart(Refusal):
    """A dead letter would start more of an effect than was agreed to; it and those behind it stay as they are."""


class Agreement:
    """How many of each effect of each tenant may start yet."""

    def __init__(self, starting: Iterable[Starting]) -> None:
        self._left = Counter((tenant_id, effect.name) for tenant_id, effect in starting)

    def take(self, starting: Iterable[Starting]) -> None:
        """Count what a dead letter starts, last in its transaction. Raises MoreWouldStart."""
        wanted = Counter((tenant_id, effect.name) for tenant_id, effect in starting)
        for key, count in wanted.items():
            if count > self._left[key]:
                raise MoreWouldStart("replay_effects_not_agreed", effect=key[1])
        self._left -= wanted
