"""The browser of the browser tests: Debian's chromium without a window, installed where that is possible.

The same engine without what a window needs takes half the time of the processor. A whole chromium does as well, and
where Debian's is there the other one is put beside it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.guard import Guard
from local.trouble import CannotStart

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FONTS = "fonts-liberation"
# The first that the system's packages have.
PACKAGES = ("chromium-headless-shell", "chromium")
WHOLE = "chromium"
APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")


def find_browser() -> str | None:
    """The path of a Chromium: the variable CHROMIUM, or the first on PATH."""
    if given := os.environ.get("CHROMIUM"):
        return given
    return next(filter(None, map(shutil.which, NAMES)), None)


def provide_browser(_: Guard, arguments: list[str]) -> int:
    """Install chromium when there is none and this is root on a Debian; otherwise say loudly what will be missing."""
    if arguments:
        raise CannotStart("browser takes no arguments")
    found = find_browser()
    if found and (os.environ.get("CHROMIUM") or Path(found).name != WHOLE):
        return 0
    why = "there is no apt-get" if not shutil.which("apt-get") else "only root may install it"
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing chromium for the browser tests", flush=True)
        why = _install()
    if find_browser():
        return 0
    print(
        f"\n*** THE BROWSER TESTS CANNOT RUN: no chromium was found, and {why}.\n"
        f"*** Install it (Debian: apt-get install {PACKAGES[0]}) or name one: CHROMIUM=/path/to/chromium make test\n",
        file=sys.stderr,
        flush=True,
    )
    return 0


def _install() -> str:
    """Try to install it; returns why it may not be there afterwards."""
    if why := _run_apt("update"):
        return why
    for package in PACKAGES:
        why = _run_apt("install", "--no-install-recommends", package, FONTS)
        if not why:
            return "its package brought no program of that name"
    return why


def _run_apt(*command: str) -> str:
    """Why it failed; empty if it did not."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [*APT, *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return f"apt-get {command[0]} failed ({lines[-1] if lines else f'status {done.returncode}'})"
