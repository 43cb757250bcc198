"""Who lets a version in: its logged figures, held against what is required."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from mlflow import MlflowClient

from fnet_evaluate.registry.checking import Gate, find_version
from fnet_evaluate.registry.decision import Decision, record
from fnet_evaluate.registry.requirement import Requirement
from fnet_evaluate.registry.selection import DataChoice
from fnet_mlflow.registry.aliases import (
    Alias,
    check_alias,
    move_alias,
    move_alias_back,
    read_alias,
    version_before,
)
from fnet_mlflow.registry.lookup import pin
from fnet_mlflow.registry.uri import ModelUri
from fnet_registry.errors import ModelError
from fnet_registry.shown import shown


def promote(
    model: str,
    *,
    alias: str = "champion",
    require: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Decision:
    """Give a version an alias if its logged figures are good enough, and write down why.

    Args:
        model: A registered version, for example `models:/fnet/3`.
        alias: The alias.
        require: What it must reach. `"ndcg@10>=0.42"` asks it of the figure. `"ndcg@10>=champion"`
            asks that it is not shown to be worse than the version that has that alias: it is
            refused only where the interval of the paired difference, on the same data, lies below
            zero. `>` asks for an interval above zero.
        data: Which data the figures are of: its name, the beginning of its digest, or a file.
            Needed only where a figure was logged of several.
        force: Whether to let the version in all the same.

    Returns:
        The decision, which stands on the version too.

    Raises:
        ModelError: This is no registered version, alias or requirement, or a figure was logged of
            several data sets.
        InputError: The data cannot be read.
        MlflowException: There is no such version.
    """
    check_alias(alias)
    asked = [require] if isinstance(require, str) else require
    requirements = [Requirement.parse(text) for text in asked]
    if not requirements and not force:
        raise ModelError(
            'Expected what the version must reach, for example --require "ndcg@10>=0.42", or '
            "--force. Received: no requirement"
        )
    client = MlflowClient()
    candidate = find_version(client, pin(_registered(model)))
    held = read_alias(client, str(candidate.uri.name), alias)
    chosen = None if data is None else DataChoice.read(os.fspath(data))
    gate = Gate(client=client, candidate=candidate, held=held, data=chosen)
    checks = tuple(gate.check_all(requirements))
    met = bool(checks) and all(check.met for check in checks)
    decision = Decision(
        model=str(candidate.uri),
        alias=alias,
        outcome="promoted" if met or force else "refused",
        before=_uri_of(held),
        forced=force and not met,
        checks=checks,
    )
    if decision.before == decision.model and decision.stands:
        decision = replace(decision, outcome="unchanged")
    # Written first, so that no alias ever stands without its grounds.
    record(client, decision)
    if decision.outcome != "promoted" or move_alias(client, held, int(str(candidate.uri.version))):
        return decision
    return _lost(client, decision)


def roll_back(model: str, *, alias: str = "champion") -> Decision:
    """Give an alias back to the version that had it before; again, to the one before that.

    Args:
        model: The registered model, for example `models:/fnet`, or its version that has the alias.
        alias: The alias.

    Returns:
        The decision, which stands on both versions.

    Raises:
        ModelError: No version that `promote` knows to have had the alias before is still there.
        MlflowException: There is no such model.
    """
    check_alias(alias)
    client, uri = MlflowClient(), _registered(model)
    name = str(uri.name)
    held = read_alias(client, name, alias)
    if (uri.version, uri.alias) != (None, None) and pin(uri).version != held.version:
        raise ModelError(
            f"Expected the version to take {alias} from, or the model alone: models:/{name}. "
            f"Received: {shown(model)}, where {alias} is {_uri_of(held) or 'no version'}"
        )
    version = version_before(client, held)
    decision = Decision(
        model=str(ModelUri(name=name, version=version)),
        alias=alias,
        outcome="rolled back",
        before=_uri_of(held),
    )
    record(client, decision)
    if not move_alias_back(client, held, version):
        return _lost(client, decision)
    if decision.before is not None:
        record(client, decision, on=decision.before)
    return decision


def _registered(model: str) -> ModelUri:
    uri = ModelUri.parse(model)
    if uri.name is None:
        raise ModelError(
            "Expected a version in the registry, for example models:/fnet/3; `fnet register` makes "
            f"one. Received: {shown(str(model))}"
        )
    return uri


def _uri_of(alias: Alias) -> str | None:
    if alias.version is None:
        return None
    return str(ModelUri(name=alias.model, version=alias.version))


def _lost(client: MlflowClient, decision: Decision) -> Decision:
    decision = replace(decision, outcome="lost")
    record(client, decision)
    return decision
