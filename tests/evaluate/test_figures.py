"""Figures are those of trec_eval, scipy and scikit-learn, on random and on tied inputs."""

import numpy as np
import pyarrow as pa
import pytest
import pytrec_eval
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fnet_evaluate.data.corpus import ListedCorpus
from fnet_evaluate.data.retrieval import Retrieval
from fnet_evaluate.data.rows import BATCH_ROWS
from fnet_evaluate.kinds import KINDS
from fnet_evaluate.kinds.labels import knn_items
from fnet_evaluate.kinds.retrieval import DEPTH, figures

TREC_EVAL = {
    "ndcg@10": "ndcg_cut_10",
    "recall@1": "recall_1",
    "recall@10": "recall_10",
    "recall@100": "recall_100",
    "mrr": "recip_rank",
    "map": "map",
}


def ranking(random: np.random.Generator, *, tied: bool) -> np.ndarray:
    """Scores of 300 texts for 40 queries."""
    scores = random.standard_normal((40, 300)).astype(np.float32)
    return np.round(scores) if tied else scores


def judgements(random: np.random.Generator) -> list[dict[int, float]]:
    """For each query, up to 20 relevant texts, each by 1, 2 or 3."""
    return [
        {
            int(row): float(random.integers(1, 4))
            for row in random.choice(300, random.integers(1, 20), replace=False)
        }
        for _ in range(40)
    ]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_rankings_are_measured_as_trec_eval_does(seed: int, tied: bool) -> None:
    random = np.random.default_rng(seed)
    scores, relevant = ranking(random, tied=tied), judgements(random)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    found = figures(rows, relevant)

    # Of equal scores, trec_eval prefers the greater id.
    def name(row: int) -> str:
        return f"{999 - row:03}"

    asked = {"recip_rank", "map", "ndcg_cut.10", "recall.1,10,100"}
    qrels = {
        str(query): {name(row): int(gain) for row, gain in judged.items()}
        for query, judged in enumerate(relevant)
    }
    run = {
        str(query): {
            name(row): float(scores[query, row])
            for row in sorted(range(300), key=lambda row: (-scores[query, row], row))[:DEPTH]
        }
        for query in range(len(scores))
    }
    expected = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)
    for ours, theirs in TREC_EVAL.items():
        values = [expected[str(query)][theirs] for query in range(len(scores))]
        np.testing.assert_allclose(found[ours].to_numpy(), values, atol=1e-9, rtol=0)


def test_a_query_that_finds_nothing_has_zeros_alone() -> None:
    found = figures(np.full((1, DEPTH), -1), [{3: 1.0}])
    assert found.to_pylist() == [dict.fromkeys(TREC_EVAL, 0.0)]


def test_texts_are_found_in_any_block_of_the_corpus() -> None:
    size = 2 * BATCH_ROWS + 100
    vectors = np.random.default_rng(0).standard_normal((size, 4)).astype(np.float32)
    rows = np.arange(0, size, 1000)
    data = Retrieval(
        queries=[str(row) for row in rows],
        relevant=[{int(row): 1.0} for row in rows],
        itself=[-1] * len(rows),
        corpus=ListedCorpus(texts=[str(row) for row in range(size)]),
        size=size,
        digest="",
    )
    found = KINDS["retrieval"].items(Given(vectors), data)
    assert found["recall@1"].to_pylist() == [1.0] * len(rows)


@pytest.mark.parametrize("tied", [False, True])
def test_correlations_are_those_of_scipy(tied: bool) -> None:
    random = np.random.default_rng(0)
    cosine = random.random(200)
    score = np.round(5 * cosine + random.standard_normal(200)) if tied else random.random(200)
    cosine = np.round(cosine, 1) if tied else cosine
    found = KINDS["scored_pairs"].measure({"cosine": cosine, "score": score})
    assert found["spearman"] == pytest.approx(stats.spearmanr(cosine, score).statistic, abs=1e-9)
    assert found["pearson"] == pytest.approx(stats.pearsonr(cosine, score).statistic, abs=1e-9)


def test_a_correlation_with_equal_cosines_is_not_defined() -> None:
    found = KINDS["scored_pairs"].measure({"cosine": np.ones(3), "score": np.arange(3.0)})
    assert np.isnan([*found.values()]).all()


class Given:
    """An encoder whose vectors are known."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def encode(self, texts: list[str]) -> np.ndarray:
        return self.vectors[[int(text) for text in texts]]


def test_accuracies_are_those_of_cross_validation() -> None:
    random = np.random.default_rng(0)
    target = np.arange(90) % 3
    vectors = (random.standard_normal((90, 8)) + target[:, None]).astype(np.float32)
    data = pa.table({"text": [str(row) for row in range(90)], "label": [f"l{t}" for t in target]})
    found = KINDS["labels"].items(Given(vectors), data)
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    for name, classifier in {
        "knn_accuracy": KNeighborsClassifier(10, metric="cosine"),
        "probe_accuracy": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }.items():
        expected = cross_val_score(classifier, vectors, target, cv=split).mean()
        assert found[name].to_numpy().mean() == pytest.approx(expected, abs=1e-9)
        assert expected > 0.5
    assert knn_items(Given(vectors), data) == found.select(["knn_accuracy"])  # with no probe


def test_uniformity_is_the_logarithm_of_a_mean_over_the_pairs_that_are_there() -> None:
    columns = {
        "random_cosine": np.array([1.0, 0.0, np.nan]),
        "uniformity": np.array([1.0, np.exp(-4), np.nan]),
    }
    found = KINDS["texts"].measure(columns)
    assert found["random_cosine"] == 0.5
    assert found["uniformity"] == pytest.approx(np.log((1 + np.exp(-4)) / 2))


@pytest.mark.parametrize("kind", KINDS)
def test_resamples_are_measured_all_at_once_as_each_alone(kind: str) -> None:
    random = np.random.default_rng(0)
    names = {"scored_pairs": ["cosine", "score"], "texts": ["uniformity", "cut_share"]}
    columns = {name: random.random(20) for name in names.get(kind, ["ndcg@10", "mrr"])}
    draws = random.integers(20, size=(4, 20))
    together = KINDS[kind].measure({name: values[draws] for name, values in columns.items()})
    for place, draw in enumerate(draws):
        alone = KINDS[kind].measure({name: values[draw] for name, values in columns.items()})
        assert {name: values[place] for name, values in together.items()} == pytest.approx(alone)
