"""The code that travels with a model, so that it loads where this project is not installed.

It travels as one archive, which Python imports from as it is: a remote store is asked for one file
instead of a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import fnet_mlflow
import fnet_registry
from fnet_mlflow.fnet_loader import SHIPPED
from fnet_registry.presets.builtin import PACKAGED_FOLDER
from fnet_registry.shown import shown

# A model brings its own weights, not those of a preset that comes with the package.
_NO_CODE = {"__pycache__", PACKAGED_FOLDER}
_LOADER = Path(fnet_mlflow.__file__).with_name("fnet_loader.py")


def ship_code(
    code_paths: Sequence[str | Path] | None, scratch: Path
) -> tuple[str, list[str], list[str]]:
    """Settle what code a model takes along: this project's own packages and a user's code.

    Args:
        code_paths: What a user lists. A wheel of this project in the list replaces the packages;
            an empty list ships nothing.
        scratch: A folder for what has to be made first.

    Returns:
        The module that loads the model, the files and folders to copy, and the requirement of this
        project where its code is not among them.

    Raises:
        TypeError: It is no list.
    """
    if isinstance(code_paths, str | Path):
        raise TypeError(
            "`code_paths` must be a list, for example ['my_module.py']. "
            f"Received: {shown(str(code_paths))}"
        )
    if code_paths is not None and not code_paths:
        return "fnet_mlflow", [], [f"fnet-registry[mlflow]=={fnet_registry.__version__}"]
    paths = list(map(Path, code_paths or ()))
    if not any(path.match(SHIPPED) for path in paths):
        paths.append(_pack_packages(scratch))
    return _LOADER.stem, [str(_LOADER), *map(str, paths)], []


def _pack_packages(scratch: Path) -> Path:
    archive = scratch / f"fnet_registry-{fnet_registry.__version__}.zip"
    # A store may date its files to 1970, which no archive can hold.
    with ZipFile(archive, "w", ZIP_DEFLATED, strict_timestamps=False) as file:
        for home in (Path(package.__path__[0]) for package in (fnet_registry, fnet_mlflow)):
            for path in sorted(home.rglob("*")):
                inside = path.relative_to(home.parent)
                if path.is_file() and _NO_CODE.isdisjoint(inside.parts):
                    file.write(path, inside)
    return archive
