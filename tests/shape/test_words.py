"""The house speaks the field's language: words that a reader would have to learn here do not come back.

The glossary says what to say instead. History keeps its words: the list of changes.
"""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

BASE = Path(settings.BASE_DIR)
# A word, as part of a name or in a sentence, and what to say.
EVERYWHERE = {
    "nobody": "no one, none",
    "whoever": "anyone who",
    "told": "reported, rejected",
    "untold": "missed invalidation",
    "owed": "missed invalidation",
    "meanwhile": "in the meantime",
    "anew": "again",
    "he": "they",
    "his": "their",
    "him": "them",
    "himself": "themselves",
    "deed": "action",
    "deeds": "actions",
    "mend": "fix",
    "mended": "fixed",
    "abdicate": "release leadership",
    "bury": "dead letter",
    "buried": "dead letter",
    "door": "entry point",
    "doors": "entry points",
    "stranger": "unknown parameter",
    "strangers": "unknown parameters",
}
# In tests faults are injected, and input may be bad.
IN_THE_PRODUCT = {
    "fault": "error",
    "faults": "errors",
    "bad": "invalid",
    "fate": "batch processing",
    "fates": "batch processing",
}
# Names of classes and functions.
NAMES = {
    r"\w+Answer": "response",
    r"Answer": "response",
    r"\w*StageMove": "stage migration",
    r"\w*StandsStill\w*": "in no stage",
    r"\w*[Ll]ook_through\w*": "impersonation",
    r"(begin|read|end)_look": "impersonation",
    r"Stage[Ll]ooks?": "stage colors",
    r"stage_looks": "stage colors",
    r"_?Asked": "what is asked for, by its name",
    r"Today": "live state",
    r"_?unseal": "decrypt",
    r"_?(lose|take|give)_lead": "leadership",
}
PRODUCT = ("audit/", "bench/", "config/", "lifecycle/", "local/", "storage/", "tenants/", "templates/", "static/c360/")
PROSE = (
    "README.md",
    "locale/README.md",
    "docs/",
    "tests/",
    "Makefile",
    "compose.yaml",
    ".env.example",
    "Dockerfile",
    "manage.py",
    "pyproject.toml",
)
ENDINGS = (
    ".py",
    ".html",
    ".txt",
    ".js",
    ".css",
    ".md",
    ".yaml",
    ".yml",
    ".json",
    ".toml",
    "Makefile",
    "Dockerfile",
    ".example",
)
LEFT_OUT = ("tests/browser/vendor/", "tests/shape/test_words.py")
# Where a word is somebody else's.
EXCEPTIONS = {
    ("config/errors.py", "bad"): "the name of the status 400 in HTTP, and of Django's handler",
    ("config/problems.py", "bad"): "the name of the status 400 in HTTP",
    ("config/urls.py", "bad"): "the name of Django's handler",
    ("lifecycle/api/openapi/examples.py", "bad"): "the name of the status 400 in HTTP",
    ("local/pgbouncer.py", "nobody"): "the account of Unix",
    ("local/postgresql.py", "nobody"): "the account of Unix",
    ("tests/local/test_accounts.py", "nobody"): "the account of Unix",
    ("tests/local/test_services.py", "nobody"): "the account of Unix",
}


def files() -> list[str]:
    """What git tracks, or would, of the product, its tests and its documents."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\n") if listed.returncode == 0 else [p.relative_to(BASE).as_posix() for p in walk()]
    wanted = [name for name in names if name.startswith((*PRODUCT, *PROSE)) and name.endswith(ENDINGS)]
    return [name for name in wanted if not name.startswith(LEFT_OUT) and (BASE / name).is_file()]


def walk() -> list[Path]:
    """The same where there is no git."""
    return [
        path for top in (*PRODUCT, *PROSE) for path in ((BASE / top).rglob("*") if top.endswith("/") else [BASE / top])
    ]


def find(text: str, words: dict[str, str]) -> set[str]:
    """Those of the words that the text has, alone or as a part of a name, in whichever case."""
    pattern = rf"(?<![A-Za-z])(?:{'|'.join(words)})(?![A-Za-z])"
    return {word.lower() for word in re.findall(pattern, text, re.IGNORECASE)}


def judge(name: str, text: str) -> list[str]:
    """What is in a file and should not be."""
    words = {**EVERYWHERE, **IN_THE_PRODUCT} if name.startswith(PRODUCT) else EVERYWHERE
    wrong = [
        f"{name}: “{word}”, say {words[word]}" for word in sorted(find(text, words)) if (name, word) not in EXCEPTIONS
    ]
    if name.endswith(".py"):
        defined = re.findall(r"^\s*(?:class|def) (\w+)", text, re.MULTILINE)
        wrong += [
            f"{name}: {one}, say {say}" for one in defined for bad, say in NAMES.items() if re.fullmatch(bad, one)
        ]
    return wrong


def test_no_word_of_the_house_comes_back() -> None:
    named = files()
    assert len(named) > 500
    wrong = [line for name in named for line in judge(name, (BASE / name).read_text())]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lifecycle/x.py", "# Whoever asks is told."),
        ("tests/x.py", "def test_nobody_moves(): ..."),
        ("lifecycle/x.py", "class ProfileAnswer: ..."),
        ("lifecycle/x.py", "class Today: ..."),
        ("lifecycle/x.py", "by_which_door = 1"),
        ("lifecycle/x.py", "for fault in found: ..."),
        ("docs/x.md", "He keeps his role."),
    ],
)
def test_a_word_of_the_house_is_found(name: str, text: str) -> None:
    assert judge(name, text)


def test_an_exception_is_one() -> None:
    for name, word in EXCEPTIONS:
        assert word in find((BASE / name).read_text(), {**EVERYWHERE, **IN_THE_PRODUCT}), name
