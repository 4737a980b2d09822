"""One key for a stage under all the names it has had, so that figures of years go through its renames.

A key is the name that the stage began with, and the version since which it was called so: ``0:Active``. A name that a
stage gave up and another one took later is another key. It depends on no later version: a key that was written stays.
"""

from collections.abc import Collection, Mapping
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


def names_then(names: Collection[str], version: int, renames: Renames) -> list[str]:
    """What the stages that are called so in ``version``, the live one, have ever been called: before any rename
    ``0:name``, after the first version that renamed stages ``1:name``, after the second one ``2:name``, ...
    """
    keys = [key_of(name, version, renames) for name in names]
    found = []
    for number, since in enumerate([0, *sorted(renames)]):
        until_then = {one: renames[one] for one in renames if one <= since}
        found += [f"{number}:{name_of(key, until_then)}" for key in keys if int(key.partition(":")[0]) <= since]
    return found
