"""Reading small JSON files that an operator names, with one clear line for whatever is wrong."""

from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandError

LARGEST_BYTES = 4 * 1024 * 1024


def read_json(path: Path) -> Any:
    """The JSON document in the file. Raises CommandError with one line."""
    try:
        if not path.is_file():
            raise CommandError(f"{path} is not a file." if path.exists() else f"{path} does not exist.")
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST_BYTES:
        raise CommandError(f"{path} is too large: at most {LARGEST_BYTES // 1024 // 1024} MB.")
    try:
        return orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{path} is not valid JSON: {error}.") from None


def read_json_object(path: Path | None) -> dict[str, Any]:
    """The JSON object in the file; empty without one. Raises CommandError with one line."""
    value = {} if path is None else read_json(path)
    if not isinstance(value, dict):
        raise CommandError(f"{path} must be a JSON object.")
    return value
