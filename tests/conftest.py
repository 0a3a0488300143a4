"""For all tests: the environment that a worker has."""

import os
import signal

import pytest

from fma_prep.audio import synth  # importing fma_prep chooses the BLAS kernel before numpy is loaded

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
# Under nohup, or behind an `&`, a program inherits that Ctrl-C is ignored; those that tests interrupt must not.
signal.signal(signal.SIGINT, signal.default_int_handler)


MEASURED = pytest.StashKey[list[str]]()


def pytest_configure(config):
    """Make room for what tests measure."""
    config.stash[MEASURED] = []


def pytest_terminal_summary(terminalreporter, config):
    """Show what was measured; a measurement is never a test."""
    for line in config.stash[MEASURED]:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
def measured(request):
    """A list of lines to show at the end."""
    return request.config.stash[MEASURED]


@pytest.fixture(scope="session")
def tracks(tmp_path_factory):
    """Return a folder of twelve healthy tracks, of several rates, bit rates and lengths."""
    folder = tmp_path_factory.mktemp("tracks")
    for n in range(12):
        rate_hz, bit_rate_bps = [(44100, 256_000), (44100, 128_000), (48000, 192_000), (22050, 64_000)][n % 4]
        sound = synth.music(2 + n % 5, rate_hz, seed=n)
        path = folder / f"{n % 3:03d}" / f"{n:06d}.mp3"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(synth.encode(sound, rate_hz, bit_rate_bps=bit_rate_bps))
    return folder
