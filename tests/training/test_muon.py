"""Muon: orthogonal steps for matrices, and Adam's for the rest."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from torch import nn  # noqa: E402

from training.muon import Muon  # noqa: E402


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.tag = nn.Parameter(torch.ones(3, 5))
        self.conv = nn.Conv2d(2, 6, (3, 3))
        self.gru = nn.GRU(4, 7)
        self.linear = nn.Linear(5, 9)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(9, 2)


def gradients(net, seed):
    torch.manual_seed(seed)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)


@pytest.mark.parametrize("name", ["conv.weight", "linear.weight", "gru.weight_hh_l0"])
def test_a_step_of_a_matrix_is_nearly_orthogonal(name):
    net = Net()
    weight = dict(net.named_parameters())[name]
    before = weight.detach().clone()
    gradients(net, 0)
    Muon(net, 0.1, weight_decay=0.0).step()
    gates = 3 if "gru" in name else 1
    moved = (before - weight).detach().chunk(gates)
    for step, gradient in zip(moved, weight.grad.chunk(gates), strict=True):
        step, gradient = step.flatten(1), gradient.flatten(1)
        singular = torch.linalg.svdvals(step) / (0.1 * 0.2 * max(step.shape) ** 0.5)
        assert singular.min() > 0.5
        assert singular.max() < 1.3
        u, _, v = torch.linalg.svd(gradient, full_matrices=False)
        assert nn.functional.cosine_similarity(step.ravel(), (u @ v).ravel(), dim=0) > 0.9


def test_the_rest_moves_as_with_adamw():
    net = Net()
    other = copy.deepcopy(net)
    mine, its = Muon(net, 0.01), torch.optim.AdamW(other.parameters(), lr=0.01, weight_decay=0.01)
    for seed in range(5):
        gradients(net, seed)
        gradients(other, seed)
        mine.step()
        its.step()
    wanted = dict(other.named_parameters())
    for name, parameter in net.named_parameters():
        adam = name.startswith(("tag", "head", "norm")) or "bias" in name
        close = torch.allclose(parameter, wanted[name], atol=1e-6)
        assert close is adam, name


def test_it_goes_on_where_another_stood():
    net = Net()
    optimizer = Muon(net, 0.01)
    gradients(net, 0)
    optimizer.step()
    other = copy.deepcopy(net)
    restored = Muon(other, 0.01)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, with_it in ((net, optimizer), (other, restored)):
        gradients(one, 1)
        with_it.step()
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
