"""What a worker has at hand before its first request, and which the collector of garbage does not look at again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.template import TemplateSyntaxError
from django.template.backends.django import DjangoTemplates
from structlog.testing import capture_logs

from config.serving import loaded
from tests.browser.servers import READY_SECONDS, environment_of, find_port
from tests.forking import ROOT

WORKER = """
import gc, json
import config.serving.web
left, kept = len(gc.get_objects()), gc.get_freeze_count()
from django.template import engines
(partials,) = engines["django"].engine.template_loaders
(cached,) = partials.loaders
print(json.dumps({"left": left, "kept": kept, "templates": sorted(cached.get_template_cache)}))
"""


def test_a_worker_has_loaded_every_page_and_no_collection_of_garbage_looks_at_what_it_loaded(db: None) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env={**os.environ, **environment_of(find_port())},
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
    )
    assert run.returncode == 0, run.stderr
    worker = json.loads(run.stdout.splitlines()[-1])
    pages = {file.relative_to(ROOT / "templates").as_posix() for file in (ROOT / "templates").rglob("*.html")}
    assert len(pages) > 150
    assert pages <= set(worker["templates"])
    assert worker["kept"] > 100_000
    # What a full collection looks at, and with it a request that meets one: a fiftieth.
    assert worker["left"] < 5_000


def test_a_template_that_is_broken_costs_its_own_page_and_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.html").write_text("{% if %}")
    (tmp_path / "b.html").write_bytes(b"\xff")
    (tmp_path / "c.html").write_text("{% extends 'none.html' %}{% load no_such_tags %}")
    (tmp_path / "d.html").write_text("good")
    options = {"DIRS": [tmp_path], "APP_DIRS": False, "NAME": "broken", "OPTIONS": {}}
    engine = DjangoTemplates(options)
    monkeypatch.setattr(loaded, "engines", SimpleNamespace(all=lambda: [engine]))
    monkeypatch.setattr(loaded, "gc", Mock())
    with capture_logs() as logged:
        loaded.load_everything()
    assert [(one["event"], one["template"]) for one in logged] == [
        ("template is broken", name) for name in ("a.html", "b.html", "c.html")
    ]
    assert engine.get_template("d.html").render() == "good"
    with pytest.raises(TemplateSyntaxError):
        engine.get_template("a.html")
