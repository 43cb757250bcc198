"""What an environment needs to serve an FNet model: stated here, never inferred.

Inference takes seconds, depends on the working directory and misses or invents packages.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

SERVING = ("mlflow", "h5py", "ml_dtypes", "numpy", "safetensors", "sentencepiece", "torch")
"""The distributions that the served path imports. Keras is not one of them."""


def get_default_pip_requirements() -> list[str]:
    """Return the smallest set of packages that serves a model, at the versions installed here."""
    return [f"{name}=={_public_version(name)}" for name in SERVING]


def get_default_conda_env() -> dict[str, Any]:
    """Return a conda environment with Python's version and the default pip requirements."""
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [
            f"python={platform.python_version()}",
            _pip(),
            {"pip": get_default_pip_requirements()},
        ],
    }


def _pip() -> str:
    try:
        return f"pip<={version('pip')}"
    except PackageNotFoundError:  # environments of uv have none
        return "pip"


def settle_requirements(
    stated: Iterable[str] | str | Path | None,
    extra: Iterable[str] | str | Path | None,
    conda_env: Any,
    project: Iterable[str],
) -> list[str] | str | None:
    """Settle what goes to `requirements.txt`.

    Args:
        stated: The whole list, or the path of a file with it, where a user states one.
        extra: What a user adds to the default, or the path of a file with it.
        conda_env: A whole environment, where a user states one.
        project: This project's own requirement where its code is not shipped with the model.

    Returns:
        What MLflow takes as `pip_requirements`; None beside a conda environment.

    Raises:
        ValueError: More than one of the three is given.
    """
    ways = {"conda_env": conda_env, "pip_requirements": stated, "extra_pip_requirements": extra}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ValueError(
            "Only one of `conda_env`, `pip_requirements` and `extra_pip_requirements` can be "
            f"given, for example extra_pip_requirements=['pandas']. Received: {', '.join(given)}"
        )
    if isinstance(stated, str | Path):
        return str(stated)
    if stated is not None or conda_env is not None:
        return stated if stated is None else list(stated)
    added = [f"-r {extra}"] if isinstance(extra, str | Path) else list(extra or ())
    return [*get_default_pip_requirements(), *project, *added]


def _public_version(name: str) -> str:
    """Return a version as a package index knows it: without a local part such as `+cpu`."""
    return version(name).partition("+")[0]
