"""The map from samples of subbands to the target rate: a linear one, and the right one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio.resample import resample
from fma_prep.audio.subband_map import SLOT, SubbandMap, impulse_responses, subbands_needed, synthesize

RATES = [(44100, 8000), (48000, 8000), (32000, 8000), (22050, 8000), (44100, 16000), (48000, 16000), (24000, 16000)]
FAST = RATES[:2]


def slots(n, rates, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, subbands_needed(*rates))) / 10).astype(np.float32)


def mapped(x, rates, skip=0):
    to_target = SubbandMap(*rates, skip)
    n = max(0, SLOT * len(x) - skip) * rates[1] // rates[0]
    return np.concatenate([np.empty(0, np.float32), *to_target.push(x), *to_target.finish()])[:n]


@pytest.mark.parametrize("skip", [0, 17, 1105, 5000])
@pytest.mark.parametrize("rates", [*FAST, *(pytest.param(r, marks=pytest.mark.slow) for r in RATES[2:])])
def test_it_is_synthesis_and_then_resampling(rates, skip):
    x = slots(3 * rates[0] // SLOT, rates)
    expected = resample(synthesize(x)[skip:].astype(np.float32), *rates)
    found = mapped(x, rates, skip)
    assert len(found) == len(expected)
    inside = slice(64 * rates[1] // 8000, -64 * rates[1] // 8000)  # the ends of a cut sound reach higher
    assert np.abs(found - expected)[inside].max() <= 1e-5


@pytest.mark.parametrize("rates", FAST)
def test_it_is_linear(rates):
    x, y = slots(900, rates, 1), slots(900, rates, 2)
    both = mapped(2 * x - y, rates)
    assert np.abs(both - (2 * mapped(x, rates) - mapped(y, rates))).max() <= 2e-6


@pytest.mark.parametrize(("rates", "slots_a_period", "outputs"), [((44100, 8000), 441, 2560), ((48000, 8000), 3, 16)])
def test_a_shift_by_a_whole_period_shifts_the_output(rates, slots_a_period, outputs):
    x = slots(1200, rates)
    later = np.concatenate([np.zeros((slots_a_period, x.shape[1]), np.float32), x])
    assert np.abs(mapped(later, rates)[outputs:] - mapped(x, rates)).max() <= 2e-6


@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(0, 16_000), max_size=5), skip=st.sampled_from([0, 1105, 40_000]))
def test_cuts_do_not_matter(cuts, skip):
    rates = (44100, 8000)
    x = slots(16_000, rates)
    to_target = SubbandMap(*rates, skip)
    pieces = [block for part in np.split(x, sorted(cuts)) for block in to_target.push(part)]
    found = np.concatenate([*pieces, *to_target.finish()])
    whole = mapped(x, rates, skip)
    assert np.array_equal(found[: len(whole)], whole)


def test_the_filterbank_is_the_standards():
    """One sample of a subband is a short tone in the middle of it."""
    responses = impulse_responses()
    spectra = np.abs(np.fft.rfft(responses, 1 << 14, axis=1))
    middles = (np.arange(32) + 0.5) / 64 * (1 << 14)
    assert np.abs(spectra.argmax(axis=1) - middles)[1:-1].max() < 100
    assert np.abs(responses).max() == pytest.approx(75038 / 65536, rel=0.01)


@pytest.mark.parametrize(("rates", "expected"), [((44100, 8000), 7), ((48000, 8000), 7), ((32000, 8000), 10)])
def test_how_many_subbands_are_needed(rates, expected):
    assert subbands_needed(*rates) == expected


@pytest.mark.parametrize("rates", [(8000, 8000), (16000, 44100), (44100, 7999), (44100, 44000)])
def test_what_saves_nothing_is_not_handled(rates):
    assert not SubbandMap.handles(*rates)
