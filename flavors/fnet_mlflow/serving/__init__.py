"""An MLflow model to an encoder that answers requests."""
