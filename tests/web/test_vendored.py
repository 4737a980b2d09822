"""What others made is listed, unchanged since it was listed, and asks the browser for nothing that is not here."""

import hashlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "static" / "vendor", ROOT / "tests" / "browser" / "vendor")
LISTED = tomllib.loads((ROOT / "static" / "VENDORED.toml").read_text())["file"]


def test_every_vendored_file_is_listed_once():
    present = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in folder.rglob("*") if path.is_file())
    assert sorted(entry["path"] for entry in LISTED) == present


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["path"])
def test_a_vendored_file_is_what_the_list_says(entry):
    assert hashlib.sha256((ROOT / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
    assert all(entry[key] for key in ("name", "version", "licence", "origin"))


def test_no_style_or_script_names_a_source_map_or_another_host():
    for path in (ROOT / "static").rglob("*"):
        if path.suffix in {".css", ".js"}:
            text = path.read_text()
            assert "sourceMappingURL" not in text, path
            assert "url(http" not in text, path
            assert "@import" not in text, path
