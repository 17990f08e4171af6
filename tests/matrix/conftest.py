"""The shipped matrix, read once."""

import pytest

from agent import matrix


@pytest.fixture(scope="session")
def shipped() -> matrix.Matrix:
    return matrix.load()
