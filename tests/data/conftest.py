"""A web server on this machine; tests in sub-folders may import what stands here."""

import pytest
from web import serving


@pytest.fixture
def local_web():
    """A server without pages."""
    with serving() as server:
        yield server
