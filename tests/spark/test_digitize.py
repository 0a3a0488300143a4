"""The job as people run it: what comes out, and that whatever disturbs it changes nothing."""

import json
import os
import pty
import signal
import subprocess
import termios
import time

import numpy as np
import pytest

from fma_prep.audio.digitize import digitize as digitize_bytes
from fma_prep.audio.recipe import Recipe
from fma_prep.dataset.reading import read_dataset
from tests.spark.conftest import JOB, ROOT, command, digitize, environment
from tests.spark.sabotage import sabotaged

pytestmark = pytest.mark.slow


def test_every_track_is_there_with_its_codes(whole, tracks):
    assert (whole.status, whole.succeeded) == (0, True), whole.err
    paths = sorted(p.relative_to(tracks).as_posix() for p in tracks.rglob("*.mp3"))
    records = {r["track"]: r for r in read_dataset(str(whole.output))}
    assert sorted(records) == paths
    for path in paths:
        with (tracks / path).open("rb") as file:
            expected = digitize_bytes(file, Recipe())
        assert records[path]["codes"].tobytes() == bytes(expected.codes)


def test_five_lines_without_this_package_read_it(whole):
    for line in (whole.output / "_manifest.jsonl").read_text().splitlines():
        track = json.loads(line)
        codes = np.fromfile(
            whole.output / track["shard"], np.uint8, count=track["n_samples"], offset=track["codes_offset"]
        )
        assert 100 < codes.mean() < 156
        assert len(codes) == track["n_samples"] > 8000


def test_the_closing_table_says_what_came_of_it(whole):
    assert "12 done" in whole.out
    assert str(whole.output) in whole.out


@pytest.mark.parametrize("master", ["local[1]", "local[3]"])
def test_the_same_shards_on_any_number_of_cores(whole, tracks, tmp_path, master):
    again = digitize(tracks, tmp_path / "out", "--partitions", 3, master=master)
    assert again.shards == whole.shards


def test_other_partitions_hold_the_same_records(whole, tracks, tmp_path):
    digitize(tracks, tmp_path / "out")
    assert records_of(tmp_path / "out") == records_of(whole.output)


def test_a_second_run_does_nothing(tracks, tmp_path):
    first = digitize(tracks, tmp_path / "out", "--partitions", 3)
    before = {p: p.stat().st_mtime_ns for p in first.output.glob("part-*")}
    second = digitize(tracks, tmp_path / "out", "--partitions", 3)
    assert (second.status, second.succeeded) == (0, True)
    assert {p: p.stat().st_mtime_ns for p in second.output.glob("part-*")} == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_is_completed_by_the_same_command(whole, tracks, tmp_path, how):
    slow = sabotaged(tmp_path, "time.sleep(0.5)")
    running = subprocess.Popen(
        command(tracks, tmp_path / "out", "--partitions", 3, master="local[1]"),
        env=slow,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: list((tmp_path / "out").glob("_commits/*")))
    os.kill(running.pid, how)
    out, err = running.communicate(timeout=60)
    assert running.returncode == (130 if how == signal.SIGINT else -9)
    assert "Traceback" not in out + err
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    os.killpg(running.pid, signal.SIGKILL) if how == signal.SIGKILL and alive(running.pid) else None
    completed = digitize(tracks, tmp_path / "out", "--partitions", 3)
    assert (completed.status, completed.succeeded) == (0, True), completed.err
    assert completed.shards == whole.shards
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_killed_worker_costs_a_retry_and_nothing_else(whole, tracks, tmp_path):
    once = tmp_path / "killed"
    env = sabotaged(
        tmp_path,
        f"""
        if not os.path.exists({str(once)!r}) and calls == 3:
            open({str(once)!r}, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    ran = digitize(tracks, tmp_path / "out", "--partitions", 3, env=env)
    assert once.exists()
    assert (ran.status, ran.succeeded) == (0, True)
    assert ran.shards == whole.shards


def test_a_track_that_kills_or_hangs_its_worker_every_time_is_a_failed_track(whole, tracks, tmp_path):
    names = sorted(p.relative_to(tracks).as_posix() for p in tracks.rglob("*.mp3"))
    killer, hanger = names[2], names[7]
    sizes = [(tracks / name).stat().st_size for name in (killer, hanger)]
    env = sabotaged(
        tmp_path,
        f"""
        size = stream.seek(0, 2); stream.seek(0)
        if size == {sizes[0]}:
            os.kill(os.getpid(), signal.SIGKILL)
        if size == {sizes[1]}:
            time.sleep(3600)
        """,
    )
    ran = digitize(tracks, tmp_path / "out", "--max-failed", 0.5, "--track-timeout", 3, env=env)
    assert (ran.status, ran.succeeded) == (0, True), ran.err
    failed = {t: (m["stage"], m["reason"]) for t, m in ran.manifest.items() if m["status"] == "failed"}
    assert set(failed) == {killer, hanger}
    assert failed[killer] == ("decode", "kills its decoder: signal SIGKILL")
    assert failed[hanger][1].startswith("hangs its decoder")
    assert records_of(ran.output).items() < records_of(whole.output).items()


def test_too_many_failures_end_with_1_and_can_be_mended(tracks, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n, path in enumerate(sorted(tracks.rglob("*.mp3"))[:3]):
        (folder / f"{n}.mp3").write_bytes(path.read_bytes())
    (folder / "bad.mp3").write_bytes(b"<html>not music</html>" * 100)
    ran = digitize(folder, tmp_path / "out")
    assert (ran.status, ran.succeeded) == (1, False)
    assert "1 of 4" in ran.err
    assert sum(m["status"] == "done" for m in ran.manifest.values()) == 3
    (folder / "bad.mp3").write_bytes((folder / "0.mp3").read_bytes())
    mended = digitize(folder, tmp_path / "out")
    assert (mended.status, mended.succeeded) == (0, True), mended.err
    assert {m["status"] for m in mended.manifest.values()} == {"done"}


def test_another_recipe_is_refused_and_overwrite_replaces(tracks, tmp_path):
    one = next(tracks.rglob("*.mp3"))
    first = digitize(one, tmp_path / "out")
    before = first.shards
    refused = digitize(one, tmp_path / "out", "--mu", 100)
    assert (first.status, refused.status) == (0, 2)
    assert len(refused.err.splitlines()) == 1
    assert "--overwrite" in refused.err
    replaced = digitize(one, tmp_path / "out", "--mu", 100, "--overwrite")
    assert (replaced.status, replaced.succeeded) == (0, True), replaced.err
    assert len(replaced.shards) == 1
    assert replaced.shards != before


REFUSALS = {
    "no such input": ("{tmp}/nowhere", "{tmp}/out", 1, "nowhere"),
    "nothing to read": ("{tmp}/empty", "{tmp}/out", 1, "empty"),
    "unknown scheme": ("s4://bucket/in", "{tmp}/out", 2, "s4"),
    "output inside input": ("{tmp}/empty", "{tmp}/empty/out", 2, "inside"),
    "output may not be written": ("{tracks}", "/proc/out", 1, "/proc/out"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_done_is_refused_in_one_line(case, tracks, tmp_path):
    (tmp_path / "empty").mkdir()
    input_, output, status, named = REFUSALS[case]
    ran = digitize(input_.format(tmp=tmp_path, tracks=tracks), output.format(tmp=tmp_path))
    assert ran.status == status
    assert len(ran.err.splitlines()) == 1, ran.err
    assert named in ran.err


def test_an_output_that_cannot_be_written_any_more_stops_the_run_at_once(tracks, tmp_path):
    env = sabotaged(
        tmp_path,
        """
        import fma_prep.errors
        if calls == 2:
            import pathlib, shutil
            shutil.rmtree(OUT, ignore_errors=True); pathlib.Path(OUT).write_text("a file where the folder was")
        """.replace("OUT", repr(str(tmp_path / "out"))),
    )
    ran = digitize(tracks, tmp_path / "out", "--partitions", 4, master="local[1]", env=env)
    assert ran.status == 1
    assert len(ran.err.splitlines()) == 1, ran.err
    assert str(tmp_path / "out") in ran.err


def test_by_spark_submit_in_local_mode(whole, tracks, tmp_path):
    env = environment()
    ended = subprocess.run(
        ["spark-submit", "--master", "local[2]", str(JOB), str(tracks), str(tmp_path / "out"), "--partitions", "3"],
        env=env,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("part-*")} == whole.shards


def test_progress_is_one_live_line_on_a_terminal_and_nothing_in_a_pipe(whole, tracks, tmp_path):
    assert whole.err == ""
    terminal, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    running = subprocess.Popen(
        command(tracks, tmp_path / "out"), env=environment(), stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    shown = read_all(terminal)
    assert running.wait() == 0
    last = shown.replace("\r\n", "").split("\r")[-1]
    assert "12/12 tracks" in last
    assert "h of audio" in last
    assert "0 failed" in last


def records_of(output):
    """Return codes and peak of each track."""
    return {r["track"]: (r["peak"], r["codes"].tobytes()) for r in read_dataset(str(output))}


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def read_all(terminal):
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # how a pty says that the other end is closed
            return shown.decode()
        if not chunk:
            return shown.decode()
        shown += chunk
