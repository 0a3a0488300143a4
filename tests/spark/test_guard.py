"""A track that misbehaves costs its child process, and nothing else."""

import io
import subprocess
import sys
import time

import pytest

from fma_prep.audio.digitize import digitize
from fma_prep.audio.recipe import Recipe
from fma_prep.errors import TrackError
from fma_prep.spark.guard import Child, attempt, time_limit_s
from tests.audio.tracks import TRACKS
from tests.spark.conftest import environment
from tests.spark.sabotage import sabotaged

HEALTHY = TRACKS["0.1 s"].make()


@pytest.fixture
def child():
    child = Child(Recipe(), track_timeout_s=5)
    yield child
    child.close()


def ask(child, data):
    return child.attempt(io.BytesIO(data), len(data))


@pytest.mark.slow
def test_the_child_says_what_the_worker_would(child):
    expected = digitize(io.BytesIO(HEALTHY), Recipe())
    assert ask(child, HEALTHY).codes == expected.codes
    failure = ask(child, b"<html>" * 100)
    assert isinstance(failure, TrackError)
    assert failure.reason == "this is not an audio file"


MISDEEDS = {
    "os.kill(os.getpid(), signal.SIGSEGV)": "kills its decoder: signal SIGSEGV",
    "os._exit(3)": "kills its decoder: exit status 3",
    "time.sleep(3600)": "hangs its decoder",
    "hoard = bytearray(3 << 30)": "needs more memory than a track may have",
    "raise ZeroDivisionError('by zero')": "cannot be decoded: ZeroDivisionError: by zero",
}


@pytest.mark.slow
@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_the_track_after_a_bad_one_is_fine(misdeed, child, tmp_path, monkeypatch):
    body = f"stream.seek(0)\nbad = stream.read(3) == b'bad'\nstream.seek(0)\nif bad:\n    {misdeed}"
    monkeypatch.setenv("PYTHONPATH", sabotaged(tmp_path, body)["PYTHONPATH"])
    failure = ask(child, b"bad" * 100)
    assert isinstance(failure, TrackError)
    assert failure.stage == "decode"
    assert failure.reason.startswith(MISDEEDS[misdeed])
    assert ask(child, HEALTHY).n_samples == 800


def test_a_fault_of_any_kind_is_an_answer():
    class Broken(io.BytesIO):
        def read(self, *_):
            raise ZeroDivisionError("by zero")

    assert isinstance(attempt(Broken(b"x" * 1000), Recipe()), TrackError)


def test_the_watchdog_ends_a_process_that_holds_the_gil(tmp_path):
    script = tmp_path / "stuck.py"
    script.write_text(
        "import ctypes\nfrom fma_prep.spark.guard import watchdog\n"
        "with watchdog(0.5):\n    ctypes.PyDLL(None).sleep(60)\n"  # PyDLL, unlike CDLL, keeps the GIL
    )
    started = time.monotonic()
    ended = subprocess.run([sys.executable, script], env=environment(), capture_output=True)
    assert ended.returncode == 1
    assert ended.stderr == b""
    assert time.monotonic() - started < 30


def test_large_tracks_get_more_time():
    assert time_limit_s(300, 0) == 300
    assert time_limit_s(300, 432_000_000) > 2000
