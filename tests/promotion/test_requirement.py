"""What a version must reach, as a user writes it."""

import pytest

from fnet_evaluate.evaluation import Figure
from fnet_evaluate.registry.requirement import Requirement
from fnet_registry.errors import ModelError


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ndcg@10>=0.42", "ndcg@10>=0.42"),
        (" ndcg@10 >= 4.2e-1 ", "ndcg@10>=0.42"),
        ("recall@1>-1", "recall@1>-1.0"),
        ("cut_share<=.05", "cut_share<=0.05"),
        ("map<champion", "map<champion"),
        ("spearman>=Staging_eu-1", "spearman>=Staging_eu-1"),
    ],
)
def test_a_requirement_is_a_figure_a_sign_and_a_number_or_an_alias(text: str, written: str) -> None:
    assert str(Requirement.parse(text)) == written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ndcg@10", 'in quotes: "ndcg@10>=0.42" or "ndcg@10>=champion". Received: \'ndcg@10\''),
        ("ndcg@10=0.42", "Received: 'ndcg@10=0.42'"),
        ("ndcg@10==0.42", "Received: 'ndcg@10==0.42'"),
        ("ndcg@10=>0.42", "Received: 'ndcg@10=>0.42'"),
        ("ndcg@10>=42%", "Received: 'ndcg@10>=42%'"),
        ("ndcg@10>=0,42", "Received: 'ndcg@10>=0,42'"),
        ("ndcg@10>=models:/fnet/1", "Received: 'ndcg@10>=models:/fnet/1'"),
        ("0.42<=ndcg@10", "Received: '0.42<=ndcg@10'"),
        (">=0.42", "Received: '>=0.42'"),
        ("ndcg@10>=", "Received: 'ndcg@10>='"),
        ("", "Received: ''"),
        ("ndcg@10>=nan", "must be finite, as 0.42. Received: 'nan'"),
        ("ndcg@10>=-inf", "Received: '-inf'"),
        ("ndcg@10>=latest", "neither 'latest' nor like 'v1'"),
        ("ndcg@10>=V2", "Received: 'V2'"),
        ("ndcg@10>=0.4.2", "An alias holds letters"),
        ("x" * 100_000 + ">", "A requirement is a figure"),
    ],
)
def test_any_other_is_refused_in_one_short_line(text: str, words: str) -> None:
    with pytest.raises(ModelError) as refused:
        Requirement.parse(text)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [
        (">=", False, True, True),
        (">", False, False, True),
        ("<=", True, True, False),
        ("<", True, False, False),
    ],
)
def test_a_number_is_compared_with_the_figure_whatever_its_interval(
    sign: str, below: bool, equal: bool, above: bool
) -> None:
    requirement = Requirement.parse(f"ndcg@10{sign}0.5")
    figures = [Figure(value=value, low=0.1, high=0.9) for value in (0.4, 0.5, 0.6)]
    assert [requirement.met_by(figure) for figure in figures] == [below, equal, above]


@pytest.mark.parametrize(
    ("sign", "below", "across", "above"),
    [
        (">=", False, True, True),
        (">", False, False, True),
        ("<=", True, True, False),
        ("<", True, False, False),
    ],
)
def test_an_alias_is_compared_by_the_interval_of_the_difference(
    sign: str, below: bool, across: bool, above: bool
) -> None:
    requirement = Requirement.parse(f"ndcg@10{sign}champion")
    differences = [
        Figure(value=(low + high) / 2, low=low, high=high)
        for low, high in ((-0.3, -0.1), (-0.1, 0.1), (0.1, 0.3))
    ]
    assert [requirement.allows(each) for each in differences] == [below, across, above]


@pytest.mark.parametrize("sign", [">=", ">", "<=", "<"])
def test_what_is_not_defined_meets_nothing(sign: str) -> None:
    undefined = Figure(value=float("nan"), low=float("nan"), high=float("nan"))
    assert not Requirement.parse(f"spearman{sign}0").met_by(undefined)
    assert not Requirement.parse(f"spearman{sign}champion").allows(undefined)
