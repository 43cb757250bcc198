"""FNet text encoders as MLflow models: save, log, register, load, serve and verify them.

The names below are loaded on first use: MLflow imports this package with itself, for the `hf` and
`kaggle` artifact repositories, and must not become slower for it.
"""

from typing import TYPE_CHECKING

from fnet_registry import __version__ as __version__
from fnet_registry.lazy import lazy_names

_HOMES = {
    "ProbeReport": "fnet_mlflow.probe",
    "Registration": "fnet_mlflow.registration",
    "_load_pyfunc": "fnet_mlflow.pyfunc",
    "get_default_conda_env": "fnet_mlflow.requirements",
    "get_default_pip_requirements": "fnet_mlflow.requirements",
    "load_model": "fnet_mlflow.loading",
    "log_model": "fnet_mlflow.saving",
    "register_preset": "fnet_mlflow.registration",
    "save_model": "fnet_mlflow.saving",
    "verify_model": "fnet_mlflow.verification",
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
    from fnet_mlflow.loading import load_model
    from fnet_mlflow.probe import ProbeReport
    from fnet_mlflow.registration import Registration, register_preset
    from fnet_mlflow.requirements import get_default_conda_env, get_default_pip_requirements
    from fnet_mlflow.saving import log_model, save_model
    from fnet_mlflow.verification import verify_model


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
