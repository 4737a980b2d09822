"""pg_dump and pg_restore as docs/operations.md uses them, from the programs that come with the embedded PostgreSQL."""

import os
import subprocess
from pathlib import Path

from local.postgresql import find_package
from local.trouble import CannotStart

WITHIN = 300


def dump_database(url: str, file: Path) -> None:
    """Dump the database of ``url``, whose role is c360_backup, into a new file. Raises CannotStart."""
    # Only its owner may read it: it holds everything.
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    _run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={url}")


def restore_database(url: str, file: Path) -> None:
    """Restore a dump, whole or not at all, into the empty database of ``url``, a superuser's. Raises CannotStart."""
    _run("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={url}", str(file))


def _run(program: str, *arguments: str) -> None:
    path = find_package() / "pginstall" / "bin" / program
    run = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=WITHIN)
    if run.returncode != 0:
        raise CannotStart(f"{program} ended with status {run.returncode}: {run.stderr.strip()}")
