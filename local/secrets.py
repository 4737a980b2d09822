"""Development secrets: made once, kept in ``.local/secrets`` (mode 600), or made again for a throw-away run."""

import base64
import json
import os
from pathlib import Path
from secrets import token_bytes, token_urlsafe

from local.trouble import CannotStart

ROLES = ("postgres", "c360_owner", "c360_app", "c360_platform", "c360_relay", "c360_backup")
# Their passwords are set at each start (provision_database): one that is missing is made.
REPLACEABLE = frozenset(ROLES) - {"postgres"}


def make() -> dict[str, str]:
    """New secrets: a password for each database role and for Valkey, and the keys of the application."""
    keys = {
        "SECRET_KEY": token_urlsafe(50),
        "MASTER_KEYS": f"1:{base64.b64encode(token_bytes(32)).decode()}",
        "INDEX_KEY": base64.b64encode(token_bytes(32)).decode(),
    }
    return keys | {name: token_urlsafe(24) for name in (*ROLES, "valkey")}


def load_or_make(path: Path, *, data: Path) -> dict[str, str]:
    """The kept secrets, made on the first run. Raises CannotStart when ``data`` exists but its secrets are lost."""
    if path.exists():
        try:
            kept = json.loads(path.read_text())
            made = make()
            missing = made.keys() - kept.keys()
        except (ValueError, AttributeError, OSError) as error:
            raise CannotStart(f"{path} cannot be read ({error}); put it back or move .local away") from error
        if lost := missing - REPLACEABLE:
            raise CannotStart(f"{path} lacks {', '.join(sorted(lost))}; put it back or move .local away")
        if missing:
            kept |= {name: made[name] for name in missing}
            write_private(path, json.dumps(kept, indent=1) + "\n")
        return {str(name): str(value) for name, value in kept.items()}
    if data.exists():
        raise CannotStart(f"{path} is missing, and {data} is encrypted with it; put it back or move {data} away")
    made = make()
    write_private(path, json.dumps(made, indent=1) + "\n")
    return made


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
