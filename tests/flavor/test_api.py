"""The package's surface, and what importing it costs."""

import fnet_mlflow
import fnet_registry
from tests.programs import run_program


def test_public_names():
    assert fnet_mlflow.__all__ == [
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
    assert all(getattr(fnet_mlflow, name).__doc__ for name in fnet_mlflow.__all__)
    assert fnet_mlflow.__version__ == fnet_registry.__version__


def test_importing_the_package_brings_nothing_heavy():
    heavy = "{'mlflow', 'torch', 'keras', 'numpy', 'ray'}"
    code = f"import sys, fnet_mlflow; print(sorted({heavy} & set(sys.modules)))"
    assert run_program(code) == "[]"


def test_importing_mlflow_loads_the_hub_plugin_and_little_else():
    code = "import sys, mlflow; print(*sorted(name for name in sys.modules if 'fnet' in name))"
    loaded = run_program(code).split()
    assert "fnet_mlflow.hubs.artifacts" in loaded
    assert len(loaded) < 6
    assert "fnet_registry.presets.checkpoint" not in loaded, "the loader would take it for at work"


def test_loading_and_serving_needs_no_keras(saved_model):
    code = (
        "import sys, mlflow\n"
        f"mlflow.pyfunc.load_model({str(saved_model)!r}).predict(['a text'])\n"
        "print(sorted({'keras', 'huggingface_hub', 'kagglehub'} & set(sys.modules)))"
    )
    assert run_program(code) == "[]"
