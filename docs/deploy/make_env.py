#!/usr/bin/env python3
"""Makes .env from .env.example: the site's name, and a new secret wherever a secret has no value.

    python3 docs/deploy/make_env.py c360.example.com

It needs nothing but Python. An existing .env is left alone: its keys are those of the data.
"""

import argparse
import base64
import os
import re
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def make_secret(name: str) -> str:
    """A new value for a secret; empty for what is none, and may stay empty."""
    if name.endswith("_PASSWORD"):
        return secrets.token_urlsafe(24)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    made = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "MASTER_KEYS": f"1:{key}",
        "INDEX_KEY": key,
        "AUDIT_SIGNING_KEY": key,
    }
    return made.get(name, "")


def fill(example: str, *, site: str) -> str:
    """The example with the site's name and new secrets."""
    filled = re.sub(r"^(\w+)=$", lambda line: f"{line[1]}={make_secret(line[1])}", example, flags=re.M)
    return re.sub(r"^SITE_ADDRESS=.*$", f"SITE_ADDRESS={site}", filled, flags=re.M)


def main() -> int:
    """Write the file, readable by its owner alone."""
    parser = argparse.ArgumentParser(description="Make .env from .env.example, with new secrets.")
    parser.add_argument("site", help="the name by which browsers reach it, such as c360.example.com or localhost")
    parser.add_argument("--to", type=Path, default=PROJECT / ".env", help="the file to make (default: .env)")
    options = parser.parse_args()
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", options.site):
        parser.error(f"{options.site!r} is not a host name; give one such as c360.example.com, without https:// or /")
    try:
        descriptor = os.open(options.to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stderr.write(
            f"{options.to} exists and was left as it is: its keys open the data. Move it away to make another.\n"
        )
        return 1
    with os.fdopen(descriptor, "w") as file:
        file.write(fill((PROJECT / ".env.example").read_text(), site=options.site))
    sys.stdout.write(f"{options.to} is made. Keep a copy where the backups are not: without it they cannot be read.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
