"""The resampler against resampy, against its formula, and against itself cut into other pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio import resample as module
from fma_prep.audio.resample import Resampler, resample

RATES_IN = [44100, 48000, 32000, 22050, 16000, 96000, 8000, 11025]
PAIRS = [(i, o) for i in RATES_IN for o in (8000, 16000) if i != o]
FILTERS = ["kaiser_best", "kaiser_fast"]


def noise(n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32)  # full scale: the worst for rounding


def by_kernel(x, rate_in, rate_out, name, outputs):
    """Return some outputs as resampy's kernel computes them, sample by sample in float64."""
    window, precision = module._table(name)
    scale = min(1.0, rate_out / rate_in)
    window = window * scale
    delta = np.diff(window, append=window[-1])
    step = int(scale * precision)
    result = []
    for t in outputs:
        n, rest = divmod(t * rate_in, rate_out)
        total = 0.0
        for fraction, samples in ((scale * rest / rate_out, x[n::-1]), (scale - scale * rest / rate_out, x[n + 1 :])):
            offset = int(fraction * precision)
            eta = fraction * precision - offset
            entries = offset + step * np.arange(min(len(samples), (len(window) - offset) // step))
            total += np.dot(window[entries] + eta * delta[entries], samples[: len(entries)].astype(np.float64))
        result.append(total)
    return np.array(result)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [*PAIRS, (44100, 22050), (8000, 44100), (11111, 7919), (192000, 8001)]
)
def test_agrees_with_the_kernel(rate_in, rate_out, name):
    x = noise(rate_in // 2 + 11)
    y = resample(x, rate_in, rate_out, name)
    assert y.dtype == np.float32
    assert len(y) == int(len(x) * rate_out / rate_in)
    some = sorted({*range(20), *range(20, len(y), 397), *range(len(y) - 20, len(y))})
    assert np.abs(y[some] - by_kernel(x, rate_in, rate_out, name, some)).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_agrees_with_resampy(rate_in, rate_out, name):
    import resampy

    x = noise(rate_in * 10 + 17)
    expected = resampy.resample(x.astype(np.float64), rate_in, rate_out, filter=name)
    assert np.abs(resample(x, rate_in, rate_out, name) - expected).max() < 1e-6


def test_a_table_too_large_to_keep_is_computed_by_blocks(monkeypatch):
    x = noise(44100)
    expected = resample(x, 44100, 8000)
    monkeypatch.setattr(module, "_CACHED_WEIGHTS", 0)
    assert np.array_equal(resample(x, 44100, 8000), expected)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(44100, 8000), (48000, 8000), (8000, 16000), (16000, 16000)])
@given(st.lists(st.integers(0, 140_000), max_size=8))
@settings(max_examples=8, deadline=None)
def test_the_result_does_not_depend_on_how_the_input_is_cut(rate_in, rate_out, lengths):
    x = noise(sum(lengths) + 1000)
    resampler = Resampler(rate_in, rate_out)
    cut = [resampler.push(block) for block in np.split(x, np.cumsum(lengths))]
    assert np.array_equal(np.concatenate([*cut, resampler.finish()]), resample(x, rate_in, rate_out))


@given(st.integers(0, 2000), st.sampled_from(PAIRS))
@settings(max_examples=30, deadline=None)
def test_the_length_is_resampys(n, rates):
    assert len(resample(noise(n), *rates)) == int(n * rates[1] / rates[0])


def test_what_comes_later_changes_nothing_before():
    x = noise(600_000)
    short, long = resample(x[:300_000], 44100, 8000), resample(x, 44100, 8000)
    same = len(short) - 100  # the filter looks ahead
    assert np.array_equal(short[:same], long[:same])


@pytest.mark.parametrize("rate_in", [44100, 48000])
def test_a_tone_stays_and_an_alias_goes(rate_in):
    t = np.arange(rate_in) / rate_in
    tone, alias = (np.sin(2 * np.pi * f * t).astype(np.float32) for f in (1000, 5000))
    inside = slice(400, 7600)
    expected = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    assert np.abs(resample(tone, rate_in, 8000) - expected)[inside].max() < 1e-3  # resampy's own ripple
    assert np.abs(resample(alias, rate_in, 8000))[inside].max() < 1e-4


@pytest.mark.parametrize("rates", [(0, 8000), (999, 8000), (44100, 2**31 - 1)])
def test_rates_that_nobody_records_at_are_refused(rates):
    with pytest.raises(ValueError, match="sample rate"):
        Resampler(*rates)
