"""Images by formula."""

from __future__ import annotations

import pytest

from zoo.weights.probe import probe_image


@pytest.fixture(scope="session")
def cells():
    """An image of blobs, 8 bit RGB, whose sides no network divides."""
    return probe_image((233, 317, 3))


@pytest.fixture(scope="session")
def volume():
    """A volume of balls, 8 bit."""
    return probe_image((41, 37, 45, 1))[..., 0]
