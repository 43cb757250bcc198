"""Evaluations in MLflow, and which version they let in."""
