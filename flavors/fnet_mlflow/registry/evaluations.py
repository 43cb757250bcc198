"""What a version is worth, as it stands on the version: one tag for each data set."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient

from fnet_mlflow.saving.description import TAG_PREFIX
from fnet_registry.shown import one_line

_TAG = f"{TAG_PREFIX}evaluation."
_WORDS = re.compile(
    r"(?P<figures>.+?); (?P<kind>[^;,]+), (?P<count>\d+) items of (?P<data>.*); "
    r"data (?P<data_digest>[^;]*); run (?P<run_id>[^;]*); (?P<logged_at>[^;]*)",
    re.DOTALL,
)
_FIGURE = re.compile(r"(?P<name>\S+) (?P<value>\S+) \((?P<low>\S+) to (?P<high>\S+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvaluation:
    """The figures of a version on one data set.

    Args:
        data: The name of the data.
        data_digest: SHA-256 of its rows.
        kind: What is measured, for example `retrieval`.
        count: How many items were measured.
        figures: Each figure as its value and the ends of its 95 % interval.
        run_id: The MLflow run that holds the measured items.
        logged_at: When, in UTC, as ISO 8601.
    """

    data: str
    data_digest: str
    kind: str
    count: int
    figures: Mapping[str, tuple[float, float, float]]
    run_id: str
    logged_at: str

    @property
    def headline(self) -> str:
        """The kind's first figure, for a list: `ndcg@10 0.4312 on dev.parquet`."""
        name, (value, _, _) = next(iter(self.figures.items()))
        return one_line(f"{name} {value:.4f} on {self.data}")


def tag_evaluation(
    client: MlflowClient, name: str, version: int, evaluation: LoggedEvaluation
) -> None:
    """Write an evaluation on a version, in place of an earlier one on the same data."""
    key = f"{_TAG}{evaluation.data_digest[:16]}"
    client.set_model_version_tag(name, str(version), key, in_words(evaluation))


def in_words(evaluation: LoggedEvaluation) -> str:
    """Return an evaluation as a person reads it, and `read_evaluations` does."""
    figures = "; ".join(
        f"{name} {float(value)!r} ({float(low)!r} to {float(high)!r})"
        for name, (value, low, high) in evaluation.figures.items()
    )
    return (
        f"{figures}; {evaluation.kind}, {evaluation.count} items of {evaluation.data}; data "
        f"{evaluation.data_digest}; run {evaluation.run_id}; {evaluation.logged_at}"
    )


def read_evaluations(tags: Mapping[str, str]) -> list[LoggedEvaluation]:
    """Read the evaluations of a version from its tags, the latest first."""
    read = (_read(value) for key, value in tags.items() if key.startswith(_TAG))
    found = [evaluation for evaluation in read if evaluation is not None and evaluation.figures]
    return sorted(found, key=lambda evaluation: evaluation.logged_at, reverse=True)


def _read(value: str) -> LoggedEvaluation | None:
    """Read a tag; None where someone else wrote over it, for a list must not end there."""
    try:
        fields = json.loads(value) if value.startswith("{") else _fields(value)
        figures = {
            str(name): (float(figure), float(low), float(high))
            for name, (figure, low, high) in fields["figures"].items()
        }
        names = ("data", "data_digest", "kind", "run_id", "logged_at")
        texts = {name: str(fields[name]) for name in names}
        return LoggedEvaluation(**texts, count=int(fields["count"]), figures=figures)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return None


def _fields(words: str) -> dict[str, Any]:
    """Read what `in_words` gave. Earlier releases wrote JSON."""
    found = _WORDS.fullmatch(words)
    if found is None:
        raise ValueError("An evaluation was expected")
    figures = (_FIGURE.fullmatch(each) for each in found["figures"].split("; "))
    told = {each["name"]: each.group("value", "low", "high") for each in figures if each}
    return found.groupdict() | {"figures": told}
