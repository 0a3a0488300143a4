"""The recipe is what tells two datasets apart."""

import dataclasses

import pytest

from fma_prep.audio.recipe import Recipe
from fma_prep.errors import DatasetError, UsageError

OTHER = {
    "sample_rate": 16000,
    "channel": "mix",
    "normalize": "none",
    "quantizer": "floor",
    "mu": 256,
    "decoder": "pydub",
    "resampler": "kaiser_fast",
}


def test_the_fingerprint_is_stable_across_releases():
    assert Recipe().fingerprint == "51eec5f39a4cf12d"


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_changes_the_fingerprint(name):
    assert dataclasses.replace(Recipe(), **{name: OTHER[name]}).fingerprint != Recipe().fingerprint


def test_survives_a_dict():
    assert Recipe.from_dict(Recipe(**OTHER).to_dict()) == Recipe(**OTHER)


def test_mu_as_a_float_is_the_same_recipe():
    assert Recipe(mu=255.0).fingerprint == Recipe().fingerprint


@pytest.mark.parametrize(
    "setting",
    [{"sample_rate": 0}, {"sample_rate": 8000.5}, {"channel": "both"}, {"mu": 0}, {"mu": float("nan")}],
)
def test_nonsense_is_refused(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        Recipe(**setting)


@pytest.mark.parametrize("settings", [{}, {**OTHER, "colour": "red"}, {**OTHER, "channel": "both"}])
def test_a_recipe_of_another_version_is_not_read(settings):
    with pytest.raises(DatasetError):
        Recipe.from_dict(settings)
