"""The evaluator `fnet` of `mlflow.models.evaluate`.

MLflow imports this module together with all evaluators, whatever model it evaluates, so nothing
stands here that could be slow or could fail.
"""

from __future__ import annotations

from typing import Any

from mlflow.models.evaluation import ModelEvaluator


class FNetEvaluator(ModelEvaluator):
    """Evaluates an FNet model as `fnet evaluate` does; of any other, it says nothing.

    The model may be of any `model_type`. Metrics and artifacts of a caller's own
    (`extra_metrics`, `custom_artifacts`) are other evaluators' to compute.
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str, evaluator_config: Any, **kwargs: Any) -> bool:
        """Say yes: what the model is, only `evaluate` is told."""
        return True

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,
        run_id: str,
        evaluator_config: dict[str, Any] | None,
        model: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Evaluate a model in an open run.

        Args:
            model_type: As the caller names it.
            dataset: MLflow's `EvaluationDataset` of a DataFrame with the columns that
                `fnet evaluate` takes; `targets` may name one of them.
            run_id: The run.
            evaluator_config: `corpus` and `map`, as `fnet_evaluate.evaluate` takes them.
            model: The loaded model.
            **kwargs: What MLflow hands on beside these.

        Returns:
            An `EvaluationResult`; None for a model of another flavor, which MLflow passes over.

        Raises:
            InputError: The data is of no kind that can be evaluated.
            TypeError: There is no such option.
        """
        flavors = getattr(getattr(model, "metadata", None), "flavors", {})
        if "fnet" not in flavors:
            return None
        from fnet_evaluate.registry.mlflow_evaluation import evaluate_dataset

        return evaluate_dataset(model, dataset, run_id, **(evaluator_config or {}))
