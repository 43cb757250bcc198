"""The signature of every FNet model."""

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from fnet_mlflow.inputs import TEXT_COLUMNS
from fnet_registry.errors import ModelError


def checked_signature(signature: ModelSignature | None) -> ModelSignature:
    """A user's signature, or the flavor's own where there is none.

    Raises:
        ModelError: It names its inputs, and none of them as a column of texts.
    """
    if signature is None:
        return embedding_signature()
    named = signature.inputs.input_names() if signature.inputs else []
    if named and not set(named) & set(TEXT_COLUMNS):
        raise ModelError(
            "A signature with named inputs must name the texts "
            f"{' or '.join(map(repr, TEXT_COLUMNS))}, for example "
            f"Schema([ColSpec('string', 'text')]). Received: {', '.join(map(str, named))}"
        )
    return signature


def embedding_signature() -> ModelSignature:
    """Texts in, one vector for each out, and what a request may choose.

    The input is unnamed, so that a plain list of texts is accepted. The output is an array of
    floats in each row rather than a tensor, from which `spark_udf` would infer an array of arrays.
    Parameters default to None: a default other than that would override the model's own settings
    in every request.
    """
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string)]),
        outputs=Schema([ColSpec(Array(DataType.float))]),
        params=ParamSchema(
            [
                ParamSpec("normalize", DataType.boolean, None),
                ParamSpec("batch_size", DataType.long, None),
                ParamSpec("long_text", DataType.string, None),
            ]
        ),
    )
