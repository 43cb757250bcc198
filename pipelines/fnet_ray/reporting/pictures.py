"""The page's pictures: drawn once, as PNG files and as drawings that take on the page's colours."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fnet_ray.reporting.facts import Facts
from fnet_ray.reporting.palette import BANDS, GROUPS, INK, LINE, MAIN, MARK, STAGES, as_on_the_page
from fnet_ray.reporting.wording import excerpt, readable, share, time_taken
from fnet_ray.stages.tokens import length_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS = 40
_SHOWN_SHARE = 0.995  # of the texts; a few long ones would press all others into one bar
_MOST_REASONS = 8
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a dollar sign in a name begins no formula
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "savefig.transparent": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture in two forms.

    Args:
        png: A PNG file.
        svg: An SVG element in the page's colours; None where the page draws it itself.
    """

    png: bytes
    svg: str | None


def draw(facts: Facts) -> dict[str, Picture]:
    """Draw what an output has of the pictures, by their names."""
    from matplotlib import rc_context

    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of names in scripts the font lacks
        figures = {name: drawing(facts) for name, drawing in _PICTURES.items()}
        return {
            name: Picture(
                png=_png(figure), svg=_svg(figure, name) if name in _SHOWN_AS_THEY_ARE else None
            )
            for name, figure in figures.items()
            if figure is not None
        }


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def _svg(figure: Figure, name: str) -> str:
    from matplotlib import rc_context

    file = io.StringIO()
    none = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata=none)
    drawing = file.getvalue()
    return as_on_the_page(drawing[drawing.index("<svg") :])


def _axes(
    width: float = 4.8,
    height: float = 2.5,
    *,
    left: float = 0.6,
    right: float = 0.15,
    bottom: float = 0.45,
) -> tuple[Figure, Axes]:
    """Return empty axes; all measures are in inches. Fixed margins take a third of the time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    across = {"left": left / width, "right": 1 - right / width}
    upright = {"bottom": bottom / height, "top": 1 - 0.12 / height}
    axes = figure.subplots(gridspec_kw={**across, **upright})
    axes.grid(axis="y")
    return figure, axes


def _rate(facts: Facts) -> Figure | None:
    rate = facts.work.rate
    if rate is None:
        return None
    figure, axes = _axes()
    unit, name = next((u, n) for u, n in _UNITS if rate.edges[-1] >= 2 * u or u == 1)
    axes.stairs(rate.rows_per_second, rate.edges / unit, color=MAIN, linewidth=1.6)
    axes.stairs(rate.rows_per_second, rate.edges / unit, color=MAIN, fill=True, alpha=0.15)
    for pause in rate.pauses:
        axes.axvline(pause / unit, color=MARK, linestyle=":", linewidth=1)
    axes.set(xlabel=f"{name} at work", ylabel="rows per second")
    axes.set(xlim=(0, rate.edges[-1] / unit), ylim=(0, None))
    _group_thousands(axes.yaxis)
    return figure


_UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))


def _stages(facts: Facts) -> Figure | None:
    stages = facts.work.stages
    if stages is None:
        return None
    figure, axes = _axes(height=1.5, left=0.75, bottom=0.1)
    names = list(stages)
    axes.barh(names[::-1], [stages[name] for name in names[::-1]], color=STAGES[::-1], height=0.6)
    for place, name in enumerate(names[::-1]):
        told = f"{time_taken(stages[name])}, {share(stages[name], sum(stages.values()))}"
        axes.annotate(told, (stages[name], place), (5, 0), textcoords="offset points", va="center")
    axes.grid(visible=False)
    axes.set(xlim=(0, 1.45 * max(stages.values()) or 1), xticks=[])
    axes.spines["bottom"].set_visible(False)
    return figure


def _lengths(facts: Facts) -> Figure | None:
    lengths = facts.work.lengths
    if not lengths:
        return None
    figure, axes = _axes()
    limit = facts.manifest.encoding["sequence_length"]
    starts = np.array(sorted(lengths))
    ends = starts + np.array([length_step(int(start)) for start in starts])
    until = np.cumsum([lengths[int(start)] for start in starts])
    most = int(ends[np.searchsorted(until, _SHOWN_SHARE * until[-1])])
    edges = np.linspace(0, max(most, 1.2 * limit), _MOST_BARS + 1)
    steps = np.stack([starts, ends], axis=1).ravel()
    so_far = np.stack([np.append(0, until[:-1]), until], axis=1).ravel()
    counts = np.diff(np.interp(edges, steps, so_far, left=0))
    axes.stairs(counts, edges, fill=True, color=MAIN, alpha=0.75)
    axes.axvline(limit, color=MARK, linewidth=1.4)
    axes.annotate(
        f"sequence length {limit:,}",
        (limit, 1),
        (5, -2) if limit < edges[-1] / 2 else (-5, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if limit < edges[-1] / 2 else "right",
        va="top",
    )
    axes.set(xlabel="tokens in a text", ylabel="texts", xlim=(0, edges[-1]))
    axes.set(ylim=(0, 1.25 * counts.max()))
    _group_thousands(axes.xaxis)
    _group_thousands(axes.yaxis)
    return figure


def _cosines(facts: Facts) -> Figure | None:
    if facts.look is None or not len(facts.look.likeness.cosines):
        return None
    figure, axes = _axes()
    likeness = facts.look.likeness
    low = min(0.0, float(likeness.cosines.min()))
    axes.hist(likeness.cosines, bins=_MOST_BARS, range=(low, 1.0), color=MAIN, alpha=0.75)
    axes.axvline(likeness.cosines.mean(), color=MARK, linewidth=1.4)
    axes.set(xlabel="cosine of two random rows (line: the mean)", ylabel="pairs", xlim=(low, 1.0))
    _group_thousands(axes.yaxis)
    return figure


def _norms(facts: Facts) -> Figure | None:
    if facts.look is None:
        return None
    figure, axes = _axes()
    norms = facts.look.likeness.norms
    middle, spread = float(np.median(norms)), float(np.ptp(norms))
    ends = (norms.min(), norms.max()) if spread > 1e-3 * middle else (0.0, max(2 * middle, 1.0))
    axes.hist(norms, bins=_MOST_BARS, range=ends, color=MAIN, alpha=0.75)
    axes.set(xlabel="length of a vector", ylabel="rows")
    _group_thousands(axes.yaxis)
    return figure


def _rejects(facts: Facts) -> Figure | None:
    if not facts.rejects:
        return None
    shown = facts.rejects[:_MOST_REASONS][::-1]
    figure, axes = _axes(width=7, height=0.8 + 0.35 * len(shown), left=3.2)
    places = list(range(len(shown)))
    axes.barh(places, [group.rows for group in shown], color=MARK, height=0.6)
    axes.set(yticks=places, xlabel="rejected rows")
    axes.set_yticklabels([excerpt(readable(group.reason), 50) for group in shown])
    axes.grid(visible=False)
    _group_thousands(axes.xaxis)
    return figure


def _map(facts: Facts) -> Figure | None:
    if facts.look is None:
        return None
    figure, axes = _axes(width=8.4, height=5.6, left=0.1, right=2.4)
    drawn, colours = facts.look.map, facts.look.map.colours
    palette = BANDS if colours.is_ordered else GROUPS
    for group, name in enumerate(colours.names):
        x, y = drawn.places[colours.group == group].T
        label = excerpt(readable(name), 40)
        axes.scatter(x, y, s=9, color=palette[group], alpha=0.8, linewidths=0, label=f" {label}")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    if colours.column is not None:
        title = excerpt(readable(colours.column), 40)
        axes.legend(title=title, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _group_thousands(axis) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


_PICTURES: Mapping[str, Callable[[Facts], Figure | None]] = {
    "throughput": _rate,
    "stages": _stages,
    "lengths": _lengths,
    "cosines": _cosines,
    "norms": _norms,
    "rejects": _rejects,
    "map": _map,
}
_SHOWN_AS_THEY_ARE = ("throughput", "stages", "lengths", "cosines", "norms")
