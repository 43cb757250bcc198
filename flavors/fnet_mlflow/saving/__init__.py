"""An encoder to an MLflow model."""
