"""The names by which parts are had, which follow from their classes."""

import abc

import pytest

import keras_vae as kv
from keras_vae.saving.identifiers import by_name

# Of version 0.1: users' code and configs of the command hold them.
NAMES = {
    kv.posteriors: "diagonal_normal full_covariance_normal inverse_autoregressive_flow "
    "planar_flow von_mises_fisher",
    kv.priors: "gaussian_mixture real_nvp standard_normal uniform_on_sphere vamp",
    kv.likelihoods: "bernoulli categorical continuous_bernoulli discretized_logistic "
    "discretized_logistic_mixture gaussian laplace negative_binomial poisson student_t",
    kv.objectives: "beta_tc_vae capacity ciwae dip_vae elbo factor_vae free_bits info_max_vae "
    "info_vae iwae miwae piwae wae",
}
WITHOUT = {"from_distribution", "from_function", "masked", "flow", "prior", "objective"}


@pytest.mark.parametrize("room", NAMES, ids=lambda room: room.__name__)
def test_every_name_that_was_given_is_known(room):
    assert set(NAMES[room].split()) <= set(room.NAMES)
    assert list(room.NAMES) == sorted(room.NAMES)
    assert WITHOUT.isdisjoint(room.NAMES)
    for name, cls in room.NAMES.items():
        assert type(room.get(name)) is cls
        assert getattr(room, cls.__name__) is cls


class Kind(abc.ABC):
    @abc.abstractmethod
    def act(self):
        """What parts of the kind do."""


class HeavyTailsKind(Kind):
    public_name = "heavy"

    def act(self):
        return 1


class HeavierTailsKind(HeavyTailsKind):
    """Inherits all but the name."""


class Wrapper(HeavyTailsKind):
    public_name = None


class StillAbstract(Kind):
    pass


def test_names_follow_from_the_classes():
    expected = {"heavier_tails": HeavierTailsKind, "heavy": HeavyTailsKind}
    found = by_name(globals(), Kind)
    assert found == expected
    assert list(found) == sorted(found)
