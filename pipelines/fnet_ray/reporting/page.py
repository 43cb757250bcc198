"""The page itself: one HTML file that needs nothing else, and runs nothing that it shows.

Whatever comes from the output is escaped by the template. The one script reads what is on the page
already, and no other runs: the page says so to the browser by the script's digest.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fnet_registry
from fnet_ray.options import Parameters
from fnet_ray.output.layout import EMBEDDINGS, REJECTS
from fnet_ray.progress.hint import MOST
from fnet_ray.reporting import wording
from fnet_ray.reporting.facts import Facts
from fnet_ray.reporting.palette import BANDS, GROUPS
from fnet_ray.reporting.pictures import Picture
from fnet_registry.redaction import without_secrets
from fnet_registry.shown import counted

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "template"
_MAP_WIDTH, _MAP_HEIGHT, _MAP_MARGIN = 1000, 620, 24
_MOST_INPUTS = 20


def render(facts: Facts, pictures: Mapping[str, Picture], *, made: float) -> str:
    """Make the page.

    Args:
        facts: What it says.
        pictures: What it shows.
        made: When, in seconds since 1970.
    """
    from markupsafe import Markup

    script, style = (_read(name) for name in ("page.js", "page.css"))
    return _template().render(
        facts=facts,
        work=facts.work,
        look=facts.look,
        parameters=facts.manifest.parameters,
        encoding=facts.manifest.encoding,
        inputs=_inputs(facts),
        asked=_asked(facts.manifest.parameters),
        most_inputs=_MOST_INPUTS,
        points=_points(facts),
        svg={name: Markup(picture.svg) for name, picture in pictures.items() if picture.svg},
        made=made,
        program=f"fnet-registry {fnet_registry.__version__}",
        notices=_notices(facts),
        rows_files=f"{facts.output}/{EMBEDDINGS}/*.parquet",
        rejects_files=f"{facts.output}/{REJECTS}/*.parquet",
        script=Markup(script),
        style=Markup(style),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        palette=BANDS if facts.look and facts.look.map.colours.is_ordered else GROUPS,
        map_size=(_MAP_WIDTH, _MAP_HEIGHT),
    )


_FILTERS = ("amount", "excerpt", "moment", "share", "size", "time_taken")


@cache
def _template() -> Template:
    """Compile the template, which takes longer than to fill it in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: wording.readable(value) if type(value) is str else value,
    )
    environment.filters.update({name: getattr(wording, name) for name in _FILTERS})
    environment.filters.update(shown_path=without_secrets, quoted=shlex.quote)
    return environment.get_template("page.html.jinja")


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A row on the map.

    Args:
        x: Where it lies, from 0 to the map's width.
        y: Likewise, from the top.
        group: Its group's number.
        row: The columns that tell it.
        number: The number of its list of neighbours, if it has one.
    """

    x: float
    y: float
    group: int
    row: Mapping[str, Any]
    number: int | None


def _points(facts: Facts) -> list[Point]:
    if facts.look is None:
        return []
    look = facts.look
    numbers = {each.row: number for number, each in enumerate(look.neighbours, 1)}
    places = _fitted(look.map.places)
    return [
        Point(
            x=round(float(x), 1),
            y=round(float(y), 1),
            group=int(group),
            row=told,
            number=numbers.get(row),
        )
        for row, (told, (x, y), group) in enumerate(
            zip(
                look.sample.rows_told(range(len(places))),
                places,
                look.map.colours.group,
                strict=True,
            )
        )
    ]


def _fitted(places: np.ndarray) -> np.ndarray:
    """Fit places into the map, each way by itself: the axes of a projection have no unit."""
    low, high = places.min(0), places.max(0)
    spread = np.where(high > low, high - low, 1)
    scaled = np.where(high > low, (places - low) / spread, 0.5)
    room = np.array([_MAP_WIDTH, _MAP_HEIGHT]) - 2 * _MAP_MARGIN
    return _MAP_MARGIN + scaled * room


def _inputs(facts: Facts) -> list[dict[str, Any]]:
    return [
        {"path": each.file.path, "format": each.file.format.name, "size": each.file.size or 0}
        | {"rows": each.rows}
        for each in facts.manifest.inputs
    ]


def _asked(parameters: Parameters) -> dict[str, Any]:
    """Return what was asked for beside the defaults; what no page shows, such as a tab, by name."""
    usual = asdict(Parameters())
    return {
        name: repr(value) if isinstance(value, str) and not value.strip() else value
        for name, value in asdict(parameters).items()
        if value != usual[name]
    }


def _notices(facts: Facts) -> list[tuple[str, str]]:
    """Return what its reader should know first: a headline and a sentence each."""
    found = []
    if facts.damage:
        count = len(facts.damage)
        found.append(
            (
                "Files of the output are damaged.",
                f"{'One' if count == 1 else count} of them cannot be used: {facts.damage[0]}. "
                "The same fnet embed command embeds damaged shards again.",
            )
        )
    if facts.look and facts.look.likeness.is_poor:
        found.append(
            (
                "Search will be poor.",
                f"Two random rows have a mean cosine of {facts.look.likeness.mean_cosine:.2f}: the "
                "vectors are so alike that what is near can hardly be told from what is not. Tune "
                "or whiten this version (fnet tune, fnet whiten).",
            )
        )
    if facts.work.windows and facts.work.truncated / facts.work.windows > MOST:
        part = wording.share(facts.work.truncated, facts.work.windows)
        found.append(
            (
                "Most texts were cut.",
                f"{part} of them are longer than the model's "
                f"{facts.manifest.encoding['sequence_length']} tokens, and lost their ends. With "
                "--long-text split, all of each is embedded.",
            )
        )
    if len(facts.work.devices) > 1:
        told = ", ".join(facts.work.devices)
        found.append(("Unlike devices took part.", f"Their vectors may differ slightly: {told}."))
    if facts.infinite:
        found.append(
            (
                f"{'Some vectors are not' if facts.look else 'No vector is'} finite.",
                "Values that are too large for "
                f"{facts.manifest.parameters.embedding_dtype} stand in "
                f"{counted(facts.infinite, 'row')} of the sample, left out here.",
            )
        )
    return found
