"""How far a job is, for its user and for MLflow."""
