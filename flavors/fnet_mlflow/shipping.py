"""The code that travels with a model, so that it loads where this project is not installed.

It travels as one archive, which Python imports from as it is: a remote store is asked for one file
instead of a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import fnet_mlflow
import fnet_registry
from fnet_mlflow.fnet_loader import SHIPPED

_LOADER = Path(__file__).with_name("fnet_loader.py")


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
        scratch: A folder for what has to be made first.
    """
    paths = [_pack_packages(scratch)] if code_paths is None else list(map(Path, code_paths))
    if any(path.match(SHIPPED) for path in paths):
        return ShippedCode(loader_module=_LOADER.stem, paths=[str(_LOADER), *map(str, paths)])
    return ShippedCode(
        loader_module="fnet_mlflow",
        paths=list(map(str, paths)),
        requirements=(f"fnet-registry[mlflow]=={fnet_registry.__version__}",),
    )


def _pack_packages(scratch: Path) -> Path:
    archive = scratch / f"fnet_registry-{fnet_registry.__version__}.zip"
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        for home in (Path(package.__path__[0]) for package in (fnet_registry, fnet_mlflow)):
            for path in sorted(home.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    file.write(path, path.relative_to(home.parent))
    return archive
