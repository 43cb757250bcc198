"""What a version is to be called, checked before any work that it would cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import normpath

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fnet_mlflow.registry.aliases import check_alias
from fnet_mlflow.saving.description import check_owner
from fnet_registry.errors import ModelError
from fnet_registry.shown import shown

_TAG = re.compile("[\\w.: /-]{1,250}")
_LONGEST_VALUE = 100_000
_VALUE = re.compile(f"[^\\ud800-\\udfff]{{0,{_LONGEST_VALUE}}}")  # no half of a surrogate pair


def check_names(
    name: str, *, alias: str | None, tags: Mapping[str, str], ours: bool = False
) -> None:
    """Refuse what MLflow does not take, which it says only when the version is there.

    Args:
        name: The registered model, which need not be there.
        alias: The alias to set.
        tags: The tags to set.
        ours: Whether they may begin as those that say what a version is.

    Raises:
        ModelError: The name cannot be searched for, MLflow takes no such alias or tag, or a tag
            has a name of ours.
        MlflowException: MLflow takes no such name.
    """
    if alias is not None:
        check_alias(alias)
    _check_tags(tags)
    if not ours:
        check_owner(tags)
    _check_name(name)


def _check_name(name: str) -> None:
    if not (name.isprintable() and {"'", '"'} - set(name)):
        raise ModelError(
            "A registered model's name is of letters and signs that can be printed, and of only "
            f"one kind of quotes, for example fnet. Received: {shown(name)}"
        )
    try:
        MlflowClient().get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _check_tags(tags: Mapping[str, str]) -> None:
    for tag, value in tags.items():
        is_path = normpath(tag) == tag and not tag.startswith(("/", "..")) and tag != "."
        if not (_TAG.fullmatch(tag) and is_path and _VALUE.fullmatch(str(value))):
            raise ModelError(
                "A tag's name holds at most 250 letters, digits and any of '_-.:/ ', as a relative "
                f"path may, and its value {_LONGEST_VALUE:,} characters, for example team=search. "
                f"Received: {shown(f'{tag}={value}')}"
            )
