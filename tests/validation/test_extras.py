import pytest

from keras_vae.validation.extras import require


def test_a_module_is_returned_and_a_missing_one_named():
    assert require("math", "sklearn", "this").pi > 3
    with pytest.raises(ImportError, match=r'this needs nowhere.*pip install "keras-vae\[some\]"'):
        require("nowhere.at.all", "some", "this")
