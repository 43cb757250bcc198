"""FNet text encoders as MLflow models: save, log, register, load, serve and verify them.

The names below are loaded on first use: MLflow imports this package with itself, for the `hf` and
`kaggle` artifact repositories, and must not become slower for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_registry import __version__ as __version__
from fnet_registry.lazy import lazy_names

_HOMES = {
    "ProbeReport": "fnet_mlflow.content.probe",
    "Registration": "fnet_mlflow.registry.register",
    "_load_pyfunc": "fnet_mlflow.serving.pyfunc",
    "get_default_conda_env": "fnet_mlflow.saving.requirements",
    "get_default_pip_requirements": "fnet_mlflow.saving.requirements",
    "load_model": "fnet_mlflow.serving.load",
    "log_model": "fnet_mlflow.saving.save",
    "register_preset": "fnet_mlflow.registry.register",
    "save_model": "fnet_mlflow.saving.save",
    "verify_model": "fnet_mlflow.registry.verify",
}

__all__ = [
    "ProbeReport",
    "Registration",
    "get_default_conda_env",
    "get_default_pip_requirements",
    "load_model",
    "log_model",
    "register_preset",
    "save_model",
    "verify_model",
]

if TYPE_CHECKING:
    from fnet_mlflow.content.probe import ProbeReport
    from fnet_mlflow.registry.register import Registration, register_preset
    from fnet_mlflow.registry.verify import verify_model
    from fnet_mlflow.saving.requirements import get_default_conda_env, get_default_pip_requirements
    from fnet_mlflow.saving.save import log_model, save_model
    from fnet_mlflow.serving.load import load_model


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
