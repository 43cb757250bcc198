"""Loads an FNet model with code that reads its format.

A copy of this file travels in the `code/` folder of every model, beside an archive of the packages.
Installed packages are used where they read the model's format; else the model's own copy is.
Whichever was imported first serves every model in the process that it can read.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path

PACKAGES = ("fnet_mlflow", "fnet_registry")
IN_USE = "fnet_registry.presets.checkpoint"
SHIPPED = "fnet_registry-*"


def _load_pyfunc(path, model_config=None):
    data = Path(path)
    package = _import_package(data.parent / "code", _format(data / "encoding.json"))
    return package._load_pyfunc(path, model_config)


def _format(record):
    """Return the format that a model is written in, or None where its record is damaged."""
    try:
        return int(json.loads(record.read_text())["format_version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _import_package(code, needed):
    spec = importlib.util.find_spec("fnet_mlflow")
    if spec is None or not (needed is None or _reads(spec, needed)):
        _make_room(code, needed)
        _add_shipped(code)
    return importlib.import_module("fnet_mlflow")


def _make_room(code, needed):
    """Unload the few modules that `import mlflow` brought; code in use has to stay."""
    if IN_USE in sys.modules:
        raise ImportError(
            f"This model needs code that reads format {needed}, as its own in {code} does: load it "
            "in a process of its own, or install a newer fnet-registry. Received: a process that "
            f"uses {sys.modules['fnet_registry'].__path__[0]}"
        )
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]


def _reads(spec, needed):
    """Return whether a package, imported or not, reads a format; a wheel may hold it."""
    numbers = json.loads(
        spec.loader.get_data(os.path.join(os.path.dirname(spec.origin), "format.json"))
    )
    return numbers["oldest_readable"] <= needed <= numbers["format_version"]


def _add_shipped(code):
    (archive,) = code.glob(SHIPPED)
    sys.path.insert(0, str(archive))
    importlib.invalidate_caches()
