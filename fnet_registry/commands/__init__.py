"""Commands of `fnet` that need neither MLflow nor Ray."""
