"""One key for a stage under all the names it has had, so that figures of years go through its renames.

A key is the name that the stage began with, and the version since which it was called so: ``0:Active``. A name that a
stage gave up and another one took later is another key. It depends on no later version: a key that was written stays.
"""

from collections.abc import Mapping
from typing import Final

# Version -> name before -> name after, of the versions that renamed stages.
Renames = Mapping[int, Mapping[str, str]]

NO_STAGE: Final = ""


def key_of(name: str, version: int, renames: Renames) -> str:
    """The key of the stage that was called ``name`` when ``version`` was live."""
    for number in sorted((number for number in renames if number <= version), reverse=True):
        before = {after: before for before, after in renames[number].items()}
        if name in before:
            name = before[name]
        elif name in renames[number]:
            # The one that was called so before has another name since.
            return f"{number}:{name}"
    return f"0:{name}"


def name_of(key: str, renames: Renames) -> str:
    """What the stage of a key is called now."""
    since, _, name = key.partition(":")
    for number in sorted(number for number in renames if number > int(since)):
        name = renames[number].get(name, name)
    return name
