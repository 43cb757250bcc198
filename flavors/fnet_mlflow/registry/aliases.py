"""Aliases that move in the sight of others, and the versions that they named before.

MLflow sets an alias without asking what it was: of two that set it at once, the later one wins. So
the alias is read right before it is set, and again a moment later, when whoever had read the same
has set it, too.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fnet_mlflow.saving.description import TAG_PREFIX
from fnet_registry.errors import ModelError
from fnet_registry.shown import shown

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RESERVED = re.compile(r"latest|v[0-9]+", re.IGNORECASE)
SECONDS_TO_SETTLE = 0.2
_LONGEST_HISTORY = 500  # a tag of a registered model holds 5,000 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An alias of a registered model, as it stands at one moment.

    Args:
        model: The registered model.
        name: The alias.
        version: The version it names; None where it names none.
        history: The versions that it is known to have named, the latest last.
    """

    model: str
    name: str
    version: int | None
    history: tuple[int, ...]

    @property
    def before(self) -> tuple[int, ...]:
        """The history without the version that the alias names now."""
        history = self.history
        while history and history[-1] == self.version:
            history = history[:-1]
        return history


def check_alias(alias: str) -> None:
    """Refuse what MLflow takes for no alias.

    Raises:
        ModelError: It has other characters, or is reserved.
    """
    if not _ALIAS.fullmatch(alias) or _RESERVED.fullmatch(alias):
        raise ModelError(
            "An alias holds letters, digits, '_' and '-' and is neither 'latest' nor like 'v1', "
            f"for example 'champion'. Received: {shown(alias)}"
        )


def read_alias(client: MlflowClient, model: str, name: str) -> Alias:
    """Read an alias and its history.

    Raises:
        MlflowException: There is no such registered model.
    """
    registered = client.get_registered_model(model)
    version = registered.aliases.get(name)
    history = re.findall("[0-9]+", registered.tags.get(_tag(name), ""))
    return Alias(
        model=model,
        name=name,
        version=None if version is None else int(version),
        history=tuple(map(int, history)),
    )


def move_alias(client: MlflowClient, alias: Alias, version: int) -> bool:
    """Move an alias on to a version, unless someone else moves it.

    Args:
        client: The registry.
        alias: The alias as it stood when the move was decided.
        version: The version to name.

    Returns:
        Whether the alias was as it stood, and names the version now.
    """
    left = () if alias.version in (None, version) else (alias.version,)
    return _set(client, alias, version, (*alias.before, *left, version))


def move_alias_back(client: MlflowClient, alias: Alias, version: int) -> bool:
    """Move an alias back to a version of its history, and forget the later ones."""
    kept = alias.before
    while kept[-1] != version:
        kept = kept[:-1]
    return _set(client, alias, version, kept)


def version_before(client: MlflowClient, alias: Alias) -> int:
    """Return the version that an alias named before, deleted ones aside.

    Raises:
        ModelError: None is known.
    """
    for version in reversed(alias.before):
        if version != alias.version and _exists(client, alias.model, version):
            return version
    now = "no version" if alias.version is None else f"version {alias.version}"
    raise ModelError(
        f"Expected an alias that `fnet promote` has moved from one version to another. "
        f"Received: {alias.name!r} of {alias.model!r}, which names {now} and is not known to have "
        "named another that is still there"
    )


def _set(client: MlflowClient, alias: Alias, version: int, history: tuple[int, ...]) -> bool:
    if read_alias(client, alias.model, alias.name) != alias:
        return False
    if version != alias.version:
        client.set_registered_model_alias(alias.model, alias.name, str(version))
        time.sleep(SECONDS_TO_SETTLE)
    if read_alias(client, alias.model, alias.name).version != version:
        return False
    told = " ".join(map(str, history[-_LONGEST_HISTORY:]))
    client.set_registered_model_tag(alias.model, _tag(alias.name), told)
    return True


def _exists(client: MlflowClient, model: str, version: int) -> bool:
    try:
        client.get_model_version(model, str(version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _tag(alias: str) -> str:
    return f"{TAG_PREFIX}history.{alias}"
