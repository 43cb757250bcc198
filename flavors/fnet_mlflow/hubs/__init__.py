"""Hubs as MLflow artifact repositories."""
