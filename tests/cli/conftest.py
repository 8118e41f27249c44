import pytest
from command import BACKEND, finish, write_table

OPTIONS = ("--epochs", 2, "--latent-dim", 2, "--beta", 0.5, "--sigma", "optimal", "--layers", "8")


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("data") / "table.csv")


@pytest.fixture(scope="session")
def trained(table, tmp_path_factory):
    """The folder of a short run, and what the command printed."""
    folder = tmp_path_factory.mktemp("runs") / "first run"
    status, text = finish(
        "train", "--data", table, *OPTIONS, "--backend", BACKEND, "--output", folder,
        "--no-saved-model", KERAS_BACKEND="",
    )  # fmt: skip
    assert status == 0, text
    return folder, text
