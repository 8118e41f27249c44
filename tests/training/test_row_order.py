"""The order of the rows, which seed and epoch decide."""

import numpy as np

from keras_vae.training.row_order import RowOrder


def test_orders_are_the_permutations_of_numpy():
    order = RowOrder()
    order.state = (7, 2)
    for epoch in (2, 3):
        found = order.next(1000)
        np.testing.assert_array_equal(found, np.random.default_rng((7, epoch)).permutation(1000))
    assert found.dtype == "int32"  # half the memory
    assert order.state.tolist() == [7, 4]
