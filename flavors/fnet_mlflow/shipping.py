"""The code that travels with a model, so that it loads where this project is not installed."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fnet_registry
from fnet_mlflow.fnet_loader import SHIPPED
from fnet_registry import __version__

_HERE = Path(__file__).parent
_LOADER = _HERE / "fnet_loader.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedCode:
    """What code a model takes along.

    Attributes:
        loader_module: The module that loads the model.
        paths: Files and folders to copy.
        requirements: What must be installed because it is not shipped.
    """

    loader_module: str
    paths: list[str]
    requirements: tuple[str, ...] = ()


def ship_code(code_paths: Sequence[str | Path] | None, scratch: Path) -> ShippedCode:
    """Settles what code a model takes along.

    Args:
        code_paths: What a user lists; None for this project's own packages. A wheel of this
            project in the list stands for them.
        scratch: A folder for what has to be gathered first.
    """
    if code_paths is None:
        code_paths = [_gather_packages(scratch)]
    paths = [str(path) for path in code_paths]
    if any(Path(path).match("fnet_registry-*.whl") or Path(path).name == SHIPPED for path in paths):
        return ShippedCode(loader_module=_LOADER.stem, paths=[str(_LOADER), *paths])
    return ShippedCode(
        loader_module="fnet_mlflow",
        paths=paths,
        requirements=(f"fnet-registry[mlflow]=={__version__}",),
    )


def _gather_packages(scratch: Path) -> Path:
    gathered = scratch / SHIPPED
    for package in (Path(fnet_registry.__path__[0]), _HERE):
        shutil.copytree(
            package, gathered / package.name, ignore=shutil.ignore_patterns("__pycache__")
        )
    return gathered
