"""What a worker has at hand before its first request, and what the collector of garbage then leaves alone.

A full collection looks at every object of the process. Of those that are there from the start, a quarter of a million,
it takes 80 to 190 ms, during which no thread answers: the slowest of sixty requests for a page was one that met it.
They are set apart from what requests make once all of them are there, and a full collection takes a tenth of that.
"""

import gc
from pathlib import Path

import structlog
from django.conf import settings
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.backends.base import BaseEngine
from django.urls import get_resolver
from django.utils.translation import gettext, override

log = structlog.get_logger(__name__)


def load_everything() -> None:
    """Addresses, templates and catalogs are there, and no collection looks at what is there by now.

    Call once in a worker, when the application is imported. It takes about half a second. A template that is
    broken is logged: it costs the pages that use it, and no worker.
    """
    # The first text that is looked up reads the catalog, and the first address makes the index of all.
    for language, _name in settings.LANGUAGES:
        with override(language):
            gettext("Renewals")
            get_resolver().reverse_dict  # noqa: B018
    for engine in engines.all():
        for folder in map(Path, engine.dirs):
            for file in sorted(folder.rglob("*.html")):
                _load_template(engine, file.relative_to(folder).as_posix())
    gc.collect()
    gc.freeze()


def _load_template(engine: BaseEngine, name: str) -> None:
    try:
        engine.get_template(name)
    except (TemplateSyntaxError, TemplateDoesNotExist, UnicodeDecodeError) as error:
        log.error("template is broken", template=name, error=str(error))
