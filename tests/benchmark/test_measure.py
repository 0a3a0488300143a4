"""A measurement must count what a command's children and orphans used, or Spark would look cheap."""

import sys
import time

import pytest

from fma_prep.benchmark.measure import run_measured
from fma_prep.errors import RunError

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


def measured(tmp_path, code):
    return run_measured([sys.executable, "-c", code], result=tmp_path / "cost.json", log=tmp_path / "log")


def test_counts_the_processor_time_of_an_orphan(tmp_path):
    orphan = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"
    cost = measured(tmp_path, orphan)
    assert cost.cpu_s > 0.3


@pytest.mark.slow
def test_counts_what_the_kernel_drops_where_a_parent_ignores_its_children(tmp_path):
    parent = f"""import signal, subprocess, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', {BURN!r}])
time.sleep(1)
child.returncode = 0
"""
    assert 0.2 < measured(tmp_path, parent).cpu_s < 0.6


@pytest.mark.slow
def test_a_sleeper_costs_wall_time_only(tmp_path):
    start = time.perf_counter()
    cost = measured(tmp_path, "import time; time.sleep(0.5)")
    assert 0.5 <= cost.wall_s <= time.perf_counter() - start
    assert cost.cpu_s < 0.4


@pytest.mark.slow
def test_sees_the_peak_of_memory(tmp_path):
    cost = measured(tmp_path, "import time; x = bytearray(b'1' * 200_000_000); time.sleep(0.5)")
    assert 200e6 < cost.peak_bytes < 500e6


def test_a_failing_command_is_an_error_that_quotes_it(tmp_path):
    with pytest.raises(RunError, match=r"exit status 3.*no music"):
        measured(tmp_path, "print('no music'); raise SystemExit(3)")
