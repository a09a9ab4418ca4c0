"""One trained model for all tests of bulk jobs."""

import pytest
from jobs import train


@pytest.fixture(scope="session")
def model():
    return train()


@pytest.fixture(scope="session")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    model.save(folder)
    return folder
