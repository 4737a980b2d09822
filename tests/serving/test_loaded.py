"""What a worker has at hand before its first request, and which the collector of garbage does not look at again."""

import json
import os
import subprocess
import sys

from tests.browser.servers import environment_of, find_port
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
        timeout=90,
    )
    assert run.returncode == 0, run.stderr
    worker = json.loads(run.stdout.splitlines()[-1])
    pages = {file.relative_to(ROOT / "templates").as_posix() for file in (ROOT / "templates").rglob("*.html")}
    assert len(pages) > 150
    assert pages <= set(worker["templates"])
    assert worker["kept"] > 100_000
    # What a full collection looks at, and with it a request that meets one: a fiftieth.
    assert worker["left"] < 5_000
