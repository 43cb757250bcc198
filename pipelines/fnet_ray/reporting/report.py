"""An output's page and pictures, written beside its record."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fnet_ray.output.layout import PAGE, PICTURE, PICTURES
from fnet_ray.output.store import Store
from fnet_ray.output.stores import open_store
from fnet_registry.errors import JobError

if TYPE_CHECKING:
    from fnet_ray.reporting.facts import Facts

_NEEDED = {"jinja2": "Jinja2", "matplotlib": "matplotlib", "sklearn": "scikit-learn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `report` wrote.

    Args:
        page: The page's path or URL.
        pictures: Those of its pictures.
        atlas: The command by which Embedding Atlas shows the map, where that was exported.
    """

    page: str
    pictures: tuple[str, ...]
    atlas: str | None = None


def report(
    output: str | os.PathLike[str],
    *,
    color: str | None = None,
    export: str | os.PathLike[str] | None = None,
) -> Written:
    """Write a page on which one sees what an output holds, and how it came about.

    Args:
        output: The folder or URL that `embed` wrote to, or writes to at the moment.
        color: The column to colour the map by; by default one with few values.
        export: A Parquet file to write the map's rows to, for Embedding Atlas.

    Raises:
        FNetError: The output cannot be read or written, or a package is missing.
    """
    missing = missing_packages()
    if missing:
        raise JobError(
            f'A report needs {missing}: pip install "fnet-registry[report]". '
            f"Received: {os.fspath(output)}"
        )
    from fnet_ray.reporting.export import check_name, export_map
    from fnet_ray.reporting.facts import gather

    if export is not None:
        check_name(os.fspath(export))

    store = open_store(output)
    facts = gather(store, color=color)
    atlas = None if export is None else export_map(facts, os.fspath(export))
    files = make_files(facts)
    write_files(store, files)
    page, *pictures = map(store.path, files)
    return Written(page=page, pictures=tuple(pictures), atlas=atlas)


def missing_packages() -> str:
    """Return the names of the packages that a report needs and that are not installed."""
    return ", ".join(name for package, name in _NEEDED.items() if find_spec(package) is None)


def make_files(facts: Facts) -> dict[str, bytes]:
    """Return an output's page and pictures, by their names in the output."""
    from fnet_ray.reporting.page import render
    from fnet_ray.reporting.pictures import draw

    pictures = draw(facts)
    page = render(facts, pictures, made=time.time()).encode()
    return {PAGE: page} | {
        PICTURE.format(name=name): picture.png for name, picture in pictures.items()
    }


def write_files(store: Store, files: dict[str, bytes]) -> None:
    """Write them into the output, in the place of an earlier page's."""
    store.clear(PICTURES)
    for name, data in files.items():
        store.write(name, data)
