"""Errors cross Spark and end on a person's screen: they must survive pickling, and fit on one line."""

import pickle

import pytest

from fma_prep import errors

TREE = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.FmaPrepError)]


@pytest.mark.parametrize("cls", TREE)
def test_survives_pickling(cls):
    args = ("decode", "truncated") if cls is errors.TrackError else ("no such folder", "s3://b/k", "Check the name.")
    error = cls(*args)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_a_hostile_name_stays_on_one_line():
    error = errors.StorageError("cannot read", "a\nb\x1b[31m\u202e.mp3", "Rename it.")
    assert str(error) == "a\\nb\\x1b[31m\\u202e.mp3: cannot read. Rename it."


def test_usage_errors_exit_with_2_and_all_others_with_1():
    assert {e: e.exit_status for e in TREE} == {e: 2 if e is errors.UsageError else 1 for e in TREE}
