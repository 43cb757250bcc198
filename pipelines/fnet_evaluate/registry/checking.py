"""Requirements, held against what is logged on a version."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlflow import MlflowClient

from fnet_evaluate.bootstrap import paired_difference
from fnet_evaluate.evaluation import Figure
from fnet_evaluate.kinds import KINDS
from fnet_evaluate.registry.decision import Check
from fnet_evaluate.registry.logged import read_items
from fnet_evaluate.registry.requirement import Requirement
from fnet_evaluate.registry.selection import DataChoice, select
from fnet_mlflow.registry.aliases import Alias, read_alias
from fnet_mlflow.registry.evaluations import LoggedEvaluation, read_evaluations
from fnet_mlflow.registry.uri import ModelUri
from fnet_registry.errors import FNetError, ModelError
from fnet_registry.shown import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A registered version and its logged evaluations.

    Args:
        uri: Its URI, pinned.
        evaluations: The latest first.
    """

    uri: ModelUri
    evaluations: Sequence[LoggedEvaluation]


def find_version(client: MlflowClient, uri: ModelUri) -> Version:
    """Read a version's evaluations.

    Raises:
        MlflowException: There is no such version.
    """
    found = client.get_model_version(str(uri.name), str(uri.version))
    return Version(uri=uri, evaluations=read_evaluations(found.tags))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a version's requirements are held against.

    Args:
        client: The registry.
        candidate: The version.
        held: The alias that it is to have.
        data: The data that the figures must be of; None for whatever was evaluated.
    """

    client: MlflowClient
    candidate: Version
    held: Alias
    data: DataChoice | None

    def check_all(self, requirements: Sequence[Requirement]) -> Iterator[Check]:
        """Check each requirement.

        Raises:
            ModelError: A figure was logged of several data sets, or there is no such alias.
        """
        numbers = any(requirement.alias is None for requirement in requirements)
        for requirement in requirements:
            yield self._check(requirement, numbers=numbers)

    def _check(self, requirement: Requirement, *, numbers: bool) -> Check:
        logged = select(self.candidate.evaluations, requirement.metric, self.data)
        if logged is None:
            return _not_logged(requirement, self.candidate, self.data)
        if requirement.alias is None:
            value, low, high = logged.figures[requirement.metric]
            figure = Figure(value=value, low=low, high=high)
            return _judged(requirement, requirement.met_by(figure), figure, logged)
        other = self._compared(requirement.alias)
        if other is None:
            return _first(requirement, numbers=numbers)
        return _compare(requirement, logged, other)

    def _compared(self, alias: str) -> Version | None:
        """Return the version of an alias; None where it is the one to give, and nobody's yet."""
        model = self.held.model
        found = self.held if alias == self.held.name else read_alias(self.client, model, alias)
        if found.version is not None:
            return find_version(self.client, ModelUri(name=model, version=found.version))
        if alias == self.held.name:
            return None
        aliases = ", ".join(self.client.get_registered_model(model).aliases) or "no alias"
        raise ModelError(
            f"Expected an alias of the registered model {shown(model)}, which has {aliases}. "
            f"Received: {shown(alias)}"
        )


def _compare(requirement: Requirement, logged: LoggedEvaluation, other: Version) -> Check:
    same = [each for each in other.evaluations if each.data_digest == logged.data_digest]
    if not same or requirement.metric not in same[0].figures:
        return _not_logged(requirement, other, DataChoice.of(logged))
    try:
        figure = _difference(logged, same[0])[requirement.metric]
    except FNetError as error:
        return Check(requirement=str(requirement), met=False, grounds=str(error))
    return _judged(requirement, requirement.allows(figure), figure, logged, other)


def _difference(logged: LoggedEvaluation, other: LoggedEvaluation) -> dict[str, Figure]:
    items, others = read_items(logged), read_items(other)
    if items.column_names != others.column_names or logged.kind not in KINDS:
        raise ModelError(
            "Expected evaluations of one release; run `fnet evaluate` on both versions again. "
            f"Received: {logged.kind} with {shown(items.column_names)} and with "
            f"{shown(others.column_names)}"
        )
    return paired_difference(logged.kind, items, others)


def _judged(
    requirement: Requirement,
    met: bool,
    figure: Figure,
    logged: LoggedEvaluation,
    other: Version | None = None,
) -> Check:
    sign = "" if other is None else "+"
    value, low, high = (f"{end:{sign}.4f}" for end in (figure.value, figure.low, figure.high))
    over = "" if other is None else f" over {other.uri}"
    ends = "too few items to tell" if math.isnan(figure.low) else f"[{low}, {high}]"
    return Check(
        requirement=str(requirement),
        met=met,
        grounds=f"{requirement.metric} {value} {ends}{over} on {DataChoice.of(logged)}",
        figure=figure,
        compared=None if other is None else str(other.uri),
        data=logged.data,
        data_digest=logged.data_digest,
    )


def _not_logged(requirement: Requirement, version: Version, data: DataChoice | None) -> Check:
    have = [f"{', '.join(each.figures)} on {DataChoice.of(each)}" for each in version.evaluations]
    return Check(
        requirement=str(requirement),
        met=False,
        grounds=(
            f"no {requirement.metric} of {version.uri}{f' on {data}' if data else ''} is logged, "
            f"only {'; '.join(have) or 'nothing'}: fnet evaluate {version.uri} --data "
            f"{data.name if data else 'DATA'}"
        ),
    )


def _first(requirement: Requirement, *, numbers: bool) -> Check:
    first = f"no version is {requirement.alias} yet"
    return Check(
        requirement=str(requirement),
        met=numbers,
        grounds=f"{first}: numbers alone let the first one in"
        if numbers
        else f'{first}: the first one needs a number, as "{requirement.metric}>=0.42", or --force',
    )
