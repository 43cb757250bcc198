"""A run where MLflow shows it: its name, its data, and its description in prose, with pictures."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.description import LONGEST_DESCRIPTION
from fnet_registry.redaction import without_secrets
from fnet_registry.shown import one_line

if TYPE_CHECKING:
    from mlflow.data.dataset_source import DatasetSource

logger = logging.getLogger(__name__)

LONGEST_NAME = 200
"""Characters that MLflow's database surely keeps of a name."""


def run_name(told: str) -> str:
    """Return the name of a run, such as `embed news.parquet with fnet/1`."""
    name = one_line(without_secrets(told))
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def short_name(model: str) -> str:
    """Return what is short and still tells a model, from its URI, folder or handle."""
    uri = ModelUri.parse(model)
    if uri.other is None:
        return str(uri).partition("/")[2]
    return model if "://" in model else PurePath(model).name or model


def as_code(text: object) -> str:
    """Return a text that stands in a description as it is, whatever is in it."""
    return f"`{one_line(without_secrets(str(text))).replace('`', chr(0x2CB))}`"


def dataset_source(source: str | None) -> DatasetSource:
    """Return where data lies, as MLflow has it; nowhere, where it does not know the place."""
    from mlflow import MlflowException
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source_registry import resolve_dataset_source

    with warnings.catch_warnings():
        # MLflow knows its class for local files under two names, and says so.
        warnings.filterwarnings("ignore", message="The specified dataset source")
        try:
            return resolve_dataset_source(source and without_secrets(source))
        except MlflowException:  # a table in memory, or of a scheme that MLflow does not know
            return CodeDatasetSource(tags={})


def describe_run(run_id: str, prose: str, pictures: Mapping[str, str] | None = None) -> None:
    """Describe a run in Markdown, with pictures below, in the place of an earlier description.

    MLflow's page shows no picture that is not behind an address: these are its own, of the run's
    artifacts, relative to the page.

    Args:
        run_id: The run.
        prose: The text.
        pictures: What a picture shows → its artifact's path.
    """
    from mlflow import MlflowClient, MlflowException
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    shown = (
        f"**{title}**\n\n![{title}](get-artifact?{urlencode({'path': path, 'run_uuid': run_id})})"
        for title, path in (pictures or {}).items()
    )
    text = "\n\n".join([prose, *shown])
    try:
        MlflowClient().set_tag(run_id, MLFLOW_RUN_NOTE, text[:LONGEST_DESCRIPTION])
    except MlflowException as error:
        logger.warning("A run could not be described: %s", without_secrets(str(error)))
