"""A decision on a version, its grounds, and how they are told."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from mlflow import MlflowClient

from fnet_evaluate.evaluation import Figure
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.description import TAG_PREFIX

Outcome = Literal["promoted", "unchanged", "refused", "lost", "rolled back"]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # no name for this process's number
        return "unknown"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One requirement, held against what is logged.

    Args:
        requirement: As it was asked, for example `ndcg@10>=champion`.
        met: Whether the version meets it.
        grounds: Why, in words.
        figure: The version's figure with its interval, or the paired difference where `compared`
            names a version; None where there was nothing to measure by.
        compared: The version that it was compared with.
        data: The name of the data.
        data_digest: SHA-256 of its rows.
    """

    requirement: str
    met: bool
    grounds: str
    figure: Figure | None = None
    compared: str | None = None
    data: str | None = None
    data_digest: str | None = None

    def __str__(self) -> str:
        return f"{self.requirement} {'met' if self.met else 'not met'}: {self.grounds}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of an alias.

    Args:
        model: The version that was to have it, for example `models:/fnet/3`.
        alias: The alias.
        outcome: `promoted` or `rolled back`; `unchanged` where the version has it already;
            `refused`; `lost` where someone else moved the alias meanwhile.
        before: The version that had it when this was decided; None for none.
        forced: Whether requirements were overruled.
        checks: What was required.
        by: The user.
        at: When, in UTC, as ISO 8601.
    """

    model: str
    alias: str
    outcome: Outcome
    before: str | None
    forced: bool = False
    checks: tuple[Check, ...] = ()
    by: str = field(default_factory=_user)
    at: str = field(default_factory=_now)

    @property
    def stands(self) -> bool:
        """Whether the version has the alias."""
        return self.outcome not in ("refused", "lost")

    def __str__(self) -> str:
        forced = ", forced" if self.forced else ""
        told = (
            f"{self.outcome}{forced} by {self.by}; {self.alias} was {self.before or 'no version'}"
        )
        grounds = "; ".join(map(str, self.checks))
        return f"{told}: {grounds}" if grounds else told


def record(client: MlflowClient, decision: Decision, *, on: str | None = None) -> None:
    """Write a decision and its grounds on a version, beside earlier ones.

    Args:
        client: The registry.
        decision: The decision; the same one again takes the first one's place.
        on: The version; by default the one that was to have the alias.
    """
    version = ModelUri.parse(on or decision.model)
    key = f"{TAG_PREFIX}decision.{decision.alias}.{decision.at}"
    client.set_model_version_tag(str(version.name), str(version.version), key, str(decision))
