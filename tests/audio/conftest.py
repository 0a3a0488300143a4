"""For the tests of audio: the native core, compiled if it is not."""

import pytest

from fma_prep.audio.subband_core.build import build


@pytest.fixture(scope="session")
def native_core():
    """The path of the native core: seconds to compile on a fresh clone, nothing later."""
    return build()
