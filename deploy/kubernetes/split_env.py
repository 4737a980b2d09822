#!/usr/bin/env python3
"""Splits a .env into what each process of the manifests is given: secrets/NAME.env, and base/settings.env.

    python3 deploy/kubernetes/split_env.py .env

The manifests beside this file say who gets what; a variable that they name and that has no value is named here. It
needs nothing but Python. The files are for kustomize's generators; git ignores them, and their owner alone reads them.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASKED = re.compile(
    r"\{name: (\w+), valueFrom: \{(secret|configMap)KeyRef: \{name: ([\w-]+), key: (\w+)(, optional: true)?\}\}\}"
)


def read_env(text: str) -> dict[str, str]:
    """The variables of a .env; ``${NAME}`` is the value of another one."""
    found = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text, flags=re.M))
    values = {
        name: value.strip().strip("'\"") if value[:1] in "'\"" else value.strip() for name, value in found.items()
    }
    for _ in range(len(values)):
        known = dict(values)
        values = {name: _fill(value, known) for name, value in known.items()}
        if values == known:
            break
    return values


def _fill(value: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda one: known.get(one[1], ""), value)


def split(env: Mapping[str, str], folder: Path = HERE) -> tuple[dict[Path, dict[str, str]], list[str]]:
    """What goes into which file, and the variables that a process cannot do without and that have no value."""
    files: dict[Path, dict[str, str]] = {Path("base/settings.env"): {}}
    missing = set()
    for manifest in sorted([*folder.glob("*.yaml"), *folder.glob("jobs/*.yaml")]):
        for variable, kind, name, key, optional in ASKED.findall(manifest.read_text()):
            value = env.get(key, "")
            if not value and not optional:
                missing.add(variable)
            path = Path("base/settings.env")
            if kind == "secret":
                path = manifest.parent.relative_to(folder) / "secrets" / f"{name}.env"
            files.setdefault(path, {})
            if value:
                files[path][key] = value
    return files, sorted(missing)


def main() -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Split a .env into the secrets and settings of the manifests.")
    parser.add_argument("env", type=Path, help="the .env, as docs/deploy/make_env.py makes one")
    parser.add_argument(
        "--to", type=Path, default=HERE, help="where the kustomizations are (default: beside this file)"
    )
    options = parser.parse_args()
    if not options.env.is_file():
        parser.error(f"{options.env} is not there; make one: python3 docs/deploy/make_env.py c360.example.com")
    files, missing = split(read_env(options.env.read_text()))
    if missing:
        sys.stderr.write(f"{options.env} has no value for {', '.join(missing)}. Nothing was written.\n")
        return 1
    for path, values in files.items():
        target = options.to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in sorted(values.items()))
    sys.stdout.write(f"{len(files)} files are made in {options.to}. Keep them out of version control.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
