"""The bound and the likelihood of a dense VAE from its weights, by NumPy alone."""

import numpy as np


def of_weights(
    weights: list[np.ndarray], x: np.ndarray, n_draws: int, seed: int = 0
) -> tuple[float, float]:
    """Returns NLL by importance sampling and -ELBO, the means over x, in nats.

    Args:
        weights: of 784-400-(40, 40)-400-784: kernels and biases of the hidden layer, the means,
            the log variances, the decoder's hidden layer and its logits, in this order.
        x: pixels in {0, 1}, `(n, 784)`.
        n_draws: of z for each row.
        seed: of the draws.
    """
    w, b, w_mean, b_mean, w_var, b_var, v, c, w_out, b_out = weights[:10]
    rng = np.random.default_rng(seed)
    nll, negative_elbo = [], []
    for row in x:
        hidden = np.maximum(row @ w + b, 0.0)
        mean, log_var = hidden @ w_mean + b_mean, hidden @ w_var + b_var
        noise = rng.standard_normal((n_draws, len(mean)), "float32")
        z = mean + np.exp(0.5 * log_var) * noise
        logits = np.maximum(z @ v + c, 0.0) @ w_out + b_out
        log_p_x = (row * logits - np.logaddexp(0.0, logits)).sum(axis=1, dtype="float64")
        # The 2π of prior and posterior cancel.
        log_ratio = 0.5 * (noise**2 + log_var - z**2).sum(axis=1, dtype="float64")
        log_w = log_p_x + log_ratio
        top = log_w.max()
        nll.append(-top - np.log(np.exp(log_w - top).mean()))
        negative_elbo.append(-log_w.mean())
    return float(np.mean(nll)), float(np.mean(negative_elbo))
