"""Two scrapers on one OUTPUT: one works, the other says so and stops; the dead are taken over."""

import json
import multiprocessing
import os
import socket
import threading
import time

import pytest

from fma_prep.dataset.storage import open_store
from fma_prep.errors import RunError
from fma_prep.scrape.lease import Lease


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path), create=True)


def claim(store, **changes):
    """Write the claim of someone else."""
    known = {"owner": "x", "host": "elsewhere", "boot": "b", "pid": 1, "born": "1", "beats": 3, "time": time.time()}
    store.write("_lock/x.json", json.dumps(known | changes).encode())


def test_the_second_is_told_who_is_first(store):
    with Lease(store) as first:
        with pytest.raises(
            RunError, match=rf"another scraper \(process {os.getpid()} on {socket.gethostname()}, last sign"
        ):
            Lease(store).__enter__()
        first.check()
    with Lease(store):
        pass
    assert store.list() == []


@pytest.mark.slow
def test_of_many_who_come_at_once_never_two_work(store):
    at_work, most, entered = set(), [0], [0]
    start = threading.Barrier(4)

    def come(number):
        start.wait()
        try:
            with Lease(store):
                at_work.add(number)
                most[0], entered[0] = max(most[0], len(at_work)), entered[0] + 1
                time.sleep(0.3)
                at_work.discard(number)
        except RunError:
            pass

    threads = [threading.Thread(target=come, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert entered[0] >= 1


def test_a_dead_process_of_this_machine_is_taken_over_at_once(store):
    child = multiprocessing.get_context("forkserver").Process(target=_claim_and_die, args=(store,))
    child.start()
    child.join()
    assert len(store.list("_lock")) == 1
    began = time.monotonic()
    with Lease(store):
        assert time.monotonic() - began < 1


def _claim_and_die(store):
    Lease(store).__enter__()
    os._exit(9)


def test_a_process_number_that_is_used_again_does_not_deceive(store):
    with Lease(store) as lease:
        known = json.loads(store.read(store.list("_lock")[0].path))
        lease.check()
    claim(store, **{**known, "born": "1", "owner": "x"})
    with Lease(store):
        pass


def test_a_fresh_claim_from_elsewhere_is_believed_and_a_stale_one_watched(store):
    claim(store)
    with pytest.raises(RunError, match="process 1 on elsewhere"):
        Lease(store).__enter__()
    claim(store, time=time.time() - 3600)
    with Lease(store, beat_s=0.05):
        assert not store.exists("_lock/x.json")


def test_a_stale_claim_that_still_beats_has_a_wrong_clock_and_lives(store):
    claim(store, time=time.time() - 3600)
    beat = threading.Timer(0.1, lambda: claim(store, time=time.time() - 3600, beats=4))
    beat.start()
    with pytest.raises(RunError, match="process 1 on elsewhere"):
        Lease(store, beat_s=0.3).__enter__()
    beat.join()


def test_one_who_slept_too_long_notices(store):
    with Lease(store, ttl_s=0.0, beat_s=9) as lease:
        lease.check()
        store.delete(store.list("_lock")[0].path)  # as one who took over does
        with pytest.raises(RunError, match="another scraper has taken this folder over"):
            lease.check()


def test_the_claim_is_kept_alive(store):
    with Lease(store, beat_s=0.02):
        time.sleep(0.15)
        assert json.loads(store.read(store.list("_lock")[0].path))["beats"] > 2


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"pid": "x"}'])
def test_a_claim_that_cannot_be_read_is_stale(rubbish, store):
    store.write("_lock/x.json", rubbish)
    with Lease(store, beat_s=0.01):
        pass
