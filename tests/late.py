"""Large packages that single tests use: each worker collects all tests, and would spend seconds on importing them."""

import importlib
import warnings
from typing import Any


class Late:
    """``jsonschema = Late("jsonschema")``: the module, imported when something of it is used first."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, part: str) -> Any:
        if part.startswith("_"):
            # Who collects tests asks every object whether it is one.
            raise AttributeError(part)
        with warnings.catch_warnings():
            # Some of what they import uses what others want to be rid of.
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(self._name), part)
