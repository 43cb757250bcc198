"""An output's page and pictures, written beside its record."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec

from fnet_ray.output.layout import PAGE, PICTURE
from fnet_ray.output.store import Store
from fnet_ray.output.stores import open_store
from fnet_registry.errors import JobError

_NEEDED = {"jinja2": "Jinja2", "matplotlib": "matplotlib", "sklearn": "scikit-learn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `report` wrote.

    Args:
        page: The page's path or URL.
        pictures: Those of its pictures.
    """

    page: str
    pictures: tuple[str, ...]


def report(output: str | os.PathLike[str], *, color: str | None = None) -> Written:
    """Write a page on which one sees what an output holds, and how it came about.

    Args:
        output: The folder or URL that `embed` wrote to, or writes to at the moment.
        color: The column to colour the map by; by default one with few values.

    Raises:
        FNetError: The output cannot be read or written, or a package is missing.
    """
    missing = missing_packages()
    if missing:
        raise JobError(
            f'A report needs {missing}: pip install "fnet-registry[report]". '
            f"Received: {os.fspath(output)}"
        )
    store = open_store(output)
    page, pictures = make_page(store, color=color)
    return write_page(store, page, pictures)


def missing_packages() -> str:
    """Return the names of the packages that a report needs and that are not installed."""
    return ", ".join(name for package, name in _NEEDED.items() if find_spec(package) is None)


def make_page(store: Store, *, color: str | None = None) -> tuple[str, dict[str, bytes]]:
    """Return an output's page, and its pictures as PNG files by name."""
    from fnet_ray.reporting.facts import gather
    from fnet_ray.reporting.page import render
    from fnet_ray.reporting.pictures import draw

    facts = gather(store, color=color)
    pictures = draw(facts)
    page = render(facts, pictures, made=time.time())
    return page, {name: picture.png for name, picture in pictures.items()}


def write_page(store: Store, page: str, pictures: dict[str, bytes]) -> Written:
    """Write a page and its pictures into an output."""
    names = [PICTURE.format(name=name) for name in pictures]
    for name, data in zip(names, pictures.values(), strict=True):
        store.write(name, data)
    store.write(PAGE, page.encode())
    return Written(page=store.path(PAGE), pictures=tuple(map(store.path, names)))
