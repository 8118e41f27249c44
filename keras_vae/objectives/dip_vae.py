"""DIP-VAE: the codes' covariance over the data is drawn to the identity."""

from keras_vae.objectives.covariance import Covariance
from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.loss_weight import Follows, LossWeight, Weight
from keras_vae.saving.registry import serializable


@serializable(old="DIPVAE")
class DIPVAE(ELBO):
    """loss = -ELBO + λ_od·Σ_(i≠j) C_ij² + λ_d·Σ_i (C_ii - 1)².

    An ELBO with the penalty `Covariance`, which says what C is and what is logged.

    Args:
        kind: `"i"`, where C is the covariance of the posterior means, or `"ii"`,
            where it is that of z: the same plus the mean posterior covariance.
        off_diagonal: λ_od, a number or a schedule, as the two below.
        diagonal: λ_d; the paper takes 10·λ_od for kind I and λ_od for kind II.
        beta: weight of the KL.

    Raises:
        ValueError: if a weight is negative or not finite, the kind is unknown,
            or the posterior has no covariance in closed form.

    Reference:
        Kumar et al., "Variational inference of disentangled latent concepts
        from unlabeled observations", 2018, equations 6 and 7.
    """

    public_name = "dip_vae"

    off_diagonal = LossWeight()
    diagonal = LossWeight()

    def __init__(
        self,
        kind: str = "ii",
        off_diagonal: Weight = 10.0,
        diagonal: Weight = 10.0,
        beta: Weight = 1.0,
    ):
        super().__init__(beta)
        self.kind = kind
        self.off_diagonal = off_diagonal
        self.diagonal = diagonal
        weights = Follows(lambda: self.off_diagonal), Follows(lambda: self.diagonal)
        self.own_penalties = [Covariance(kind, *weights)]
