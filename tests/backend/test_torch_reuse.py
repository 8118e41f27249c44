"""Operations of a tape write over what is read no more, and over nothing else."""

import pytest

from keras_vae.backend import NAME

if NAME != "torch":
    pytest.skip("The tape is torch's.", allow_module_level=True)

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from keras_vae.backend.torch_tape.reuse import reuse_memory
from keras_vae.backend.torch_tape.source import as_function

SHAPE = (300, 200)
WEIGHT = torch.linspace(-1.0, 1.0, 200 * 200).reshape(200, 200)


def a_chain(x):
    return [torch.tanh(torch.relu(x @ WEIGHT)) @ WEIGHT]


def through_a_view(x):
    return [torch.relu((x @ WEIGHT).reshape(3, 100, 200).permute(1, 0, 2)) + 1.0]


def read_later(x):
    y = x @ WEIGHT
    return [torch.relu(y), y.sum()]


def read_later_by_a_view(x):
    y = x @ WEIGHT
    view = y.t()
    return [torch.relu(y), view[:3].clone()]


def twice_itself(x):
    y = x.t() @ x
    return [torch.mul(y, y.t()).sum()]


def an_input(x):
    return [torch.relu(x)]


def a_constant(x):
    return [torch.exp(WEIGHT) @ WEIGHT, x.sum()]


def returned(x):
    y = x @ WEIGHT
    return [y, torch.neg(y)]


def spread(x):
    return [torch.add((x @ WEIGHT)[:1].expand(300, 200), x)]


def of_another_type(x):
    return [torch.add((x @ WEIGHT).to(torch.bfloat16), x)]


def small(x):
    return [torch.relu(x[:3] @ WEIGHT)]


def gradients(x):
    y = (x @ WEIGHT).detach().requires_grad_()
    z = torch.nn.functional.leaky_relu(torch.relu(y) @ WEIGHT, 0.2)
    return [*torch.autograd.grad(torch.nn.functional.softplus(z @ WEIGHT).sum(), [y])]


CASES = {
    a_chain: 2,
    through_a_view: 2,
    read_later: 0,
    read_later_by_a_view: 0,
    twice_itself: 0,
    an_input: 0,
    a_constant: 0,
    returned: 0,
    spread: 0,
    of_another_type: 0,
    small: 0,
    gradients: 3,
}


@pytest.mark.parametrize("function", CASES)
def test_numbers_stay_and_memory_is_shared(function):
    x = torch.linspace(-1.0, 1.0, 300 * 200).reshape(SHAPE)
    module = make_fx(function)(x)
    before = [node.target for node in module.graph.nodes]
    reuse_memory(module)
    after = [node.target for node in module.graph.nodes]
    kept, weight = x.clone(), WEIGHT.clone()
    for found, expected in zip(as_function(module)(x), function(x), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    assert torch.equal(x, kept) and torch.equal(WEIGHT, weight)
    n_changed = sum(one is not other for one, other in zip(before, after, strict=True))
    assert n_changed == CASES[function], module.code
