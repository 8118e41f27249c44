"""Bounds between the ELBO and the IWAE's, at an equal number of draws."""

from pathlib import Path
from typing import ClassVar

import iwae
from row import Column

import keras_vae as kv

OBJECTIVES = {
    "IWAE, k = 64": lambda: kv.objectives.IWAE(64),
    "CIWAE, k = 64, β = 0.05": lambda: kv.objectives.CIWAE(64, elbo_weight=0.05),
    "MIWAE, 8 × 8": lambda: kv.objectives.MIWAE(8, 8),
    "PIWAE, 8 × 8": lambda: kv.objectives.PIWAE(8, 8),
}
PYTHAE = dict(zip(list(OBJECTIVES)[1:], (84.74, 85.09, 84.58), strict=True))


class ImportanceWeighted(iwae.IWAE):
    """Rainforth et al., "Tighter variational bounds are not necessarily better", 2018.

    The published figures are pythae's (its README, 3,280 epochs); the paper has 84.57, 84.97 and
    84.46. Network and schedule are those of the row `iwae`, 64 draws in all for each.
    """

    columns: ClassVar = {
        "nll": Column("NLL, nats", 2, PYTHAE),
        "active_units": Column("active units", 0),
    }
    length = 3

    def cases(self) -> list[str]:
        return list(OBJECTIVES)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        return iwae.trained_in_stages(iwae.network(OBJECTIVES[case]()), seed, folder, self.args)

    def verdict(self, figures) -> list[str]:
        order = sorted(OBJECTIVES, key=lambda case: figures[case]["nll"].mean())
        return [f"From the best: {'; '.join(order)}. The paper's order: PIWAE, CIWAE, MIWAE."]
