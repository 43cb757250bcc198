"""The signature of every FNet model."""

from __future__ import annotations

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.llm import EMBEDDING_MODEL_INPUT_SCHEMA, EMBEDDING_MODEL_OUTPUT_SCHEMA
from mlflow.types.schema import AnyType, Array

from fnet_mlflow.serving.inputs import TEXT_COLUMNS
from fnet_mlflow.serving.openai import EMBEDDINGS_TASK
from fnet_registry.errors import ModelError
from fnet_registry.shown import shown

_TEXT_TYPES = (DataType.string, Array(DataType.string), AnyType(), np.dtype(str), np.dtype(object))


def checked_signature(
    signature: ModelSignature | bool | None, task: str | None = None
) -> ModelSignature | None:
    """Return a user's signature, the flavor's own by default, or None for False, as in MLflow.

    Args:
        signature: What the user gave.
        task: The task that the default is for, where it is not the flavor's own.

    Raises:
        ModelError: It is no signature, or none of its inputs can hold the texts; or there is no
            such task.
    """
    if task not in (None, EMBEDDINGS_TASK):
        raise ModelError(f"`task` may be {EMBEDDINGS_TASK!r}. Received: {shown(task)}")
    if signature is None:
        return embedding_signature() if task is None else _task_signature()
    if signature is False:
        return None
    if not isinstance(signature, ModelSignature):
        raise ModelError(
            "Expected an mlflow.models.ModelSignature, or False for none, for example "
            f"infer_signature(['a text'], vectors). Received: {signature!r}"
        )
    known = [each.name for each in _params()]
    stated = [each.name for each in signature.params or ()]
    if unknown := [name for name in stated if name not in known]:
        raise ModelError(
            f"A signature's parameters may be {', '.join(known)}. Received: {shown(unknown[0])}"
        )
    inputs = signature.inputs
    if inputs is None or not inputs.inputs:
        return signature
    if not inputs.has_input_names():
        if inputs.inputs[0].type not in _TEXT_TYPES:
            raise ModelError(
                "A signature with an unnamed input must take texts, for example "
                f"Schema([ColSpec('string')]). Received: {inputs}"
            )
    elif not set(names := inputs.input_names()) & set(TEXT_COLUMNS):
        raise ModelError(
            "A signature with named inputs must name the texts "
            f"{' or '.join(map(repr, TEXT_COLUMNS))}, for example "
            f"Schema([ColSpec('string', 'text')]). Received: {', '.join(map(str, names))}"
        )
    return signature


def embedding_signature() -> ModelSignature:
    """Return the default: texts in, a vector for each out, and what a request may choose.

    The input is unnamed, so that a plain list of texts is accepted. The output is an array of
    floats in each row rather than a tensor, from which `spark_udf` would infer an array of arrays.
    Parameters default to None: a default other than that would override the model's own settings
    in every request.
    """
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string)]),
        outputs=Schema([ColSpec(Array(DataType.float))]),
        params=_params(),
    )


def _task_signature() -> ModelSignature:
    """Return what MLflow's own flavors store for the task, and what a request may choose here."""
    return ModelSignature(
        inputs=EMBEDDING_MODEL_INPUT_SCHEMA,
        outputs=EMBEDDING_MODEL_OUTPUT_SCHEMA,
        params=_params(),
    )


def _params() -> ParamSchema:
    return ParamSchema(
        [
            ParamSpec("normalize", DataType.boolean, None),
            ParamSpec("batch_size", DataType.long, None),
            ParamSpec("long_text", DataType.string, None),
        ]
    )
