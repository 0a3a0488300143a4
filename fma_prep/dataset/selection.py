"""Which tracks of a manifest a trainer wants: by split, by licence, and clean ones only."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fma_prep.dataset.licences import matches, wanted
from fma_prep.errors import UsageError

__all__ = ["SPLITS", "is_clean", "select", "split_by_hash"]

SPLITS = {"training": 0.8, "validation": 0.1, "test": 0.1}
_ALIASES = {"train": "training", "valid": "validation", "val": "validation", "dev": "validation"}

Line = dict[str, Any]


def select(
    lines: Iterable[Line], *, split: str | None = None, licence: str | None = None, clean: bool = False
) -> Iterator[Line]:
    """Return the lines of tracks that are done and wanted, in their order.

    Parameters
    ----------
    lines : iterable of dict
        Of a manifest.
    split : {"training", "validation", "test"}, optional
        Where **every** track that is done has a split of its own (the FMA data set's), that one counts; else none does,
        and all are split by `split_by_hash`: mixing the two could put one artist on both sides.
    licence : str, optional
        Families and SPDX identifiers, as in ``"by,by-sa,cc0"``. An unknown licence matches none.
    clean : bool
        See `is_clean`.

    Raises
    ------
    UsageError
        If `split` or `licence` is not one.
    """
    licences = wanted(licence) if licence is not None else None
    part = _ALIASES.get(split, split) if split is not None else None
    if part is not None and part not in SPLITS:
        raise UsageError(f"must be one of {', '.join(SPLITS)}", f"split={split}")
    done = (line for line in lines if line["status"] == "done")
    if part is not None:
        held = list(done)
        own = all(line.get("split") for line in held)
        done = (line for line in held if (_own_split(line) if own else split_by_hash(line)) == part)
    return (
        line for line in done if matches(line.get("licence"), licences) and (not clean or is_clean(line))
    )  # in this order, so that a filter never moves a track from one split to another


def is_clean(line: Mapping[str, Any]) -> bool:
    """Return whether nothing is known against a track.

    It is not silent, no packet of it was bad, and it has no warning (a rate that changes in mid-file, …) but the one
    that goes with a file whose headers promise no length: most plain MP3 files are such.
    """
    harmless = line.get("seconds_promised") is None
    return not line["silent"] and not line.get("bad_packets") and len(line.get("warnings") or ()) <= harmless


def split_by_hash(line: Mapping[str, Any]) -> str:
    """Return the split of a track by a hash of its artist, or of the track where no artist is known.

    80 % training, 10 % validation, 10 % test, of the artists; the same on every machine, whatever else is in the set.
    """
    for key in ("artist_id", "artist", "track"):
        if line.get(key) not in (None, ""):
            text = f"{key}:{line[key]}"
            break
    point = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
    for name, share in SPLITS.items():
        if point < share:
            return name
        point -= share
    return "test"  # what rounding leaves


def _own_split(line: Mapping[str, Any]) -> str:
    own = str(line["split"]).lower()
    return _ALIASES.get(own, own)
