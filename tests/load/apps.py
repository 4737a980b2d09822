"""Makes the mistake that ``LOAD_MUTANT`` names in every process that loads the product."""

import os

from django.apps import AppConfig


class LoadConfig(AppConfig):
    """No models."""

    name = "tests.load"
    label = "load"

    def ready(self) -> None:
        """See the module."""
        if name := os.environ.get("LOAD_MUTANT"):
            from tests.load.mutants import MUTANTS

            MUTANTS[name]()
