"""One picture for each kind of data."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fnet_evaluate.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARES = 10
_MOST_BARS = 50


def save_picture(evaluation: Evaluation, path: Path) -> None:
    """Draw an evaluation into a PNG file.

    | kind | what the picture shows |
    |---|---|
    | scored pairs | each pair's cosine over its score, and the mean cosine of equal shares |
    | retrieval | the share of relevant texts found among the first k, with 95 % intervals |
    | labels | the share of texts given their own label, with 95 % intervals |
    | texts | how often random pairs have which cosine, beside their mean |
    | any other | each figure, with 95 % intervals |
    """
    from matplotlib.figure import Figure

    picture = Figure(figsize=(7, 5), layout="constrained")
    axes = picture.subplots()
    _DRAWINGS.get(evaluation.kind, _figures)(axes, evaluation)
    axes.set_title(f"{_short(evaluation.model)} on {_short(evaluation.data)}", fontsize="medium")
    axes.grid(alpha=0.3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of names in scripts the font lacks
        picture.savefig(path)


def _scored_pairs(axes: Axes, evaluation: Evaluation) -> None:
    cosine, score = (evaluation.items[name].to_numpy() for name in ("cosine", "score"))
    axes.scatter(score, cosine, s=8, alpha=0.3, linewidths=0, label="a pair")
    shares = np.array_split(np.argsort(score, kind="stable"), min(_SHARES, len(score)))
    means = [(score[share].mean(), cosine[share].mean()) for share in shares]
    axes.plot(*np.transpose(means), "o-", color="black", label="mean of a tenth of the pairs")
    axes.set(xlabel="score", ylabel="cosine")
    axes.legend(title=f"Spearman {_told(evaluation, 'spearman')}")


def _retrieval(axes: Axes, evaluation: Evaluation) -> None:
    ks = sorted(int(k) for name in evaluation.figures for k in re.findall(r"^recall@(\d+)$", name))
    _with_intervals(axes, ks, [f"recall@{k}" for k in ks], evaluation, fmt="o-")
    axes.set(xscale="log", xlabel="k, the number of texts returned", ylabel="recall at k")
    axes.set(xticks=ks, xticklabels=[str(k) for k in ks], ylim=(0, 1.02))
    axes.minorticks_off()
    axes.legend([f"nDCG@10 {_told(evaluation, 'ndcg@10')}"], loc="lower right")


def _figures(axes: Axes, evaluation: Evaluation) -> None:
    names = list(evaluation.figures)
    places = list(range(len(names)))
    axes.bar(places, [evaluation.figures[name].value for name in names], width=0.5, alpha=0.6)
    _with_intervals(axes, places, names, evaluation, fmt="none")
    if evaluation.kind == "labels":
        axes.set(ylabel="share of texts given their own label", ylim=(0, 1.02))
    told = [f"{name.replace('_', ' ')}\n{_told(evaluation, name)}" for name in names]
    axes.set(xticks=places, xticklabels=told, xlim=(-0.75, len(names) - 0.25))


def _texts(axes: Axes, evaluation: Evaluation) -> None:
    cosines = evaluation.items["random_cosine"].to_numpy()
    cosines = cosines[~np.isnan(cosines)]
    axes.hist(cosines, bins=min(_MOST_BARS, 1 + math.isqrt(len(cosines))), alpha=0.6)
    mean = evaluation.figures["random_cosine"].value
    axes.axvline(mean, color="black", label=f"mean {_told(evaluation, 'random_cosine')}")
    axes.set(xlabel="cosine of two random texts", ylabel="pairs")
    axes.legend()


_DRAWINGS: Mapping[str, Callable[[Axes, Evaluation], None]] = {
    "scored_pairs": _scored_pairs,
    "retrieval": _retrieval,
    "texts": _texts,
}


def _with_intervals(
    axes: Axes, places: list[int], names: list[str], evaluation: Evaluation, *, fmt: str
) -> None:
    figures = [evaluation.figures[name] for name in names]
    values = [figure.value for figure in figures]
    ends = [
        [max(figure.value - figure.low, 0) for figure in figures],
        [max(figure.high - figure.value, 0) for figure in figures],
    ]
    axes.errorbar(places, values, yerr=ends, fmt=fmt, capsize=4, ecolor="black")


def _told(evaluation: Evaluation, name: str) -> str:
    figure = evaluation.figures[name]
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _short(text: str, longest: int = 40) -> str:
    # A dollar sign would begin a formula.
    text = text if len(text) <= longest else f"…{text[-longest:]}"
    return text.replace("$", r"\$")
