"""Mu-law against its formula, written out again here with Python's own floats."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fma_prep.audio import mulaw

MUS = [1e-3, 1, 15, 100, 254.5, 255, 256, 65535, 1e6]
QUANTIZERS = ["nearest", "floor"]
mus = st.floats(1e-6, 1e9)
quantizers = st.sampled_from(QUANTIZERS)
singles = st.floats(-1, 1, width=32)


def formula(x, mu, quantizer):
    f = math.copysign(math.log1p(mu * abs(x)) / math.log1p(mu), x)
    return math.floor((f + 1) / 2 * 255 + (0.5 if quantizer == "nearest" else 0))


@given(st.lists(singles, max_size=20), mus, quantizers)
@settings(max_examples=50)
def test_codes_are_the_formulas(samples, mu, quantizer):
    expected = [formula(x, mu, quantizer) for x in samples]
    assert mulaw.encode(np.array(samples, np.float32), mu, quantizer).tolist() == expected
    assert mulaw.encode(np.array(samples, np.float64), mu, quantizer).tolist() == expected


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize("mu", MUS)
@pytest.mark.parametrize("full_scale", [1.0, 0.123457, 0.999999, 1.5])
def test_the_table_agrees_with_float64_on_both_sides_of_every_boundary(mu, quantizer, full_scale):
    near = mulaw._tables(mu, quantizer, full_scale)[1][:-1, None].view(np.int32) + np.arange(-3, 4, dtype=np.int32)
    others = np.concatenate([np.linspace(-1.6, 1.6, 20_001), [-0.0, 1e-45, 3e38, -3e38, 1e-30, -1e-30]])
    x = np.concatenate([near.ravel().view(np.float32), others.astype(np.float32)])
    x = x[np.isfinite(x)]
    expected = mulaw.encode(x.astype(np.float64), mu, quantizer, full_scale)
    assert np.array_equal(mulaw.encode(x, mu, quantizer, full_scale), expected)


@given(mus, quantizers)
def test_every_code_decodes_to_itself(mu, quantizer):
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(mulaw.encode(mulaw.decode(codes, mu, quantizer), mu, quantizer), codes)


@given(st.lists(st.floats(-2, 2, width=32), min_size=2), mus, quantizers)
def test_louder_is_never_a_lower_code(samples, mu, quantizer):
    assert np.all(np.diff(mulaw.encode(np.sort(np.float32(samples)), mu, quantizer).astype(int)) >= 0)


@given(singles, quantizers)
def test_decoding_is_as_near_as_the_levels_are(sample, quantizer):
    x = np.float32([sample])
    levels = mulaw.levels(255, quantizer)
    code = int(mulaw.encode(x, 255, quantizer)[0])
    width = np.diff(levels)[max(0, code - 1) : code + 1].max()
    assert abs(mulaw.decode(np.uint8([code]), 255, quantizer)[0] - x[0]) <= width


def test_floor_is_numpys_digitize():
    x = np.random.default_rng(0).uniform(-1, 1, 10_000)
    f = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255)
    assert np.array_equal(mulaw.encode(x, quantizer="floor"), np.digitize(f, np.linspace(-1, 1, 256)) - 1)


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_silence_and_the_ends(quantizer):
    zero = mulaw.zero_code(quantizer)
    assert mulaw.encode(np.float32([-1, -0.0, 0, 1]), quantizer=quantizer).tolist() == [0, zero, zero, 255]
    assert mulaw.encode(np.float32([-1.5, 1.1]), quantizer=quantizer).tolist() == [0, 255]  # 1.1 must not wrap
    assert mulaw.levels(255, quantizer)[[0, 255]].tolist() == [pytest.approx(-1, abs=0.03), 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_there_is_no_code_for_what_is_not_finite(dtype, bad):
    with pytest.raises(ValueError, match="not finite"):
        mulaw.encode(np.array([0, bad], dtype))


@pytest.mark.parametrize("settings", [{"mu": 0}, {"mu": -1}, {"mu": np.inf}, {"full_scale": 0}, {"full_scale": np.nan}])
def test_nonsense_is_refused(settings):
    with pytest.raises(ValueError, match="above 0"):
        mulaw.encode(np.zeros(1, np.float32), **settings)


def test_nearest_has_the_known_signal_to_noise_ratio():
    x = np.clip(np.random.default_rng(0).laplace(0, 0.1, 100_000), -1, 1).astype(np.float32)
    for quantizer, expected_db in (("nearest", 37.9), ("floor", 37.9)):  # with the middle of the bin, no worse
        noise = mulaw.decode(mulaw.encode(x, quantizer=quantizer), quantizer=quantizer) - x
        assert 10 * np.log10(np.sum(x**2) / np.sum(noise**2)) == pytest.approx(expected_db, abs=0.3)
