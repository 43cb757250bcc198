"""Dropout, whatever draws it."""

import pytest
import torch

from fnet_tune.training.dropout import dropout

ONES = torch.ones(1000, 333)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_becomes_nothing_and_the_others_make_up_for_it(share: float) -> None:
    dropped = dropout(ONES, share)
    assert set(dropped.unique().tolist()) == {0.0, (ONES[0, 0] / (1 - share)).item()}
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert (dropped == 0).float().mean(0).max() < share + 0.1


def test_all_but_everything_is_dropped() -> None:
    assert not dropout(ONES, 0.999999).any()


def test_gradients_pass_where_values_did() -> None:
    x = ONES.clone().requires_grad_()
    dropped = dropout(x, 0.1)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped.detach())


def test_torchs_seed_decides() -> None:
    torch.manual_seed(7)
    first, second = dropout(ONES, 0.1), dropout(ONES, 0.1)
    torch.manual_seed(7)
    assert torch.equal(dropout(ONES, 0.1), first)
    assert not torch.equal(first, second)


def test_no_share_draws_nothing() -> None:
    state = torch.get_rng_state()
    assert dropout(ONES, 0.0) is ONES
    assert torch.equal(torch.get_rng_state(), state)
