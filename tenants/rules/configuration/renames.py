"""Renaming several stages at once: chains, swaps and longer cycles, and names that a stage leaves to another."""

from collections.abc import Collection, Iterator, Mapping
from itertools import count

from tenants.rules.configuration.definitions import LONGEST_STAGE
from tenants.rules.texts import fold_text


def order_renames(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The single renames, in an order in which no two stages ever have the same name, whatever its case.

    ``names`` is what every stage is called now -> what it is to be called, also those that keep their name; each side
    holds a name once, whatever its case. A stage steps aside, under a name that is none of theirs, only where a cycle
    has no beginning: every step takes the stage's customers along. Raises ValueError when a name is held by a stage
    that keeps it.
    """
    waiting = {now: then for now, then in names.items() if now != then}
    held = {fold_text(now) for now in names}
    spare = (name for number in count(1) if (name := f"renaming {number}") not in held)
    aside: set[str] = set()
    while waiting:
        now = next((now for now, then in waiting.items() if fold_text(then) not in held - {fold_text(now)}), None)
        if now is not None:
            then = waiting.pop(now)
        elif now := next((now for now in waiting if now not in aside), None):
            then = next(spare)
            aside.add(then)
            waiting[then] = waiting.pop(now)
        else:
            raise ValueError(f"These names are taken: {sorted(waiting.values())}.")
        held.discard(fold_text(now))
        held.add(fold_text(then))
        yield now, then


def name_replaced(
    renamed: Mapping[str, object], *, stages: Collection[str], new_stages: Collection[str]
) -> dict[str, str]:
    """What the stages are called from now on whose own name a renamed stage takes, while they go away themselves.

    ``stages`` are those there are now, ``new_stages`` those of the next configuration. Until its last customer has
    left, a stage that goes away needs a name that no other has: “Active (former)”.
    """
    taken = {fold_text(name) for name in renamed.values() if isinstance(name, str) and name in new_stages}
    held = {fold_text(name) for name in (*stages, *new_stages)}
    replaced = {}
    for stage in stages:
        if stage in renamed or fold_text(stage) not in taken:
            continue
        suffixes = (f" (former{'' if number == 1 else f' {number}'})" for number in count(1))
        names = (f"{stage[: LONGEST_STAGE - len(suffix)]}{suffix}" for suffix in suffixes)
        replaced[stage] = next(name for name in names if fold_text(name) not in held)
        held.add(fold_text(replaced[stage]))
    return replaced
