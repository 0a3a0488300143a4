"""Outcomes as `digitize` gives them, made without audio: what the dataset room sees of a track."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from fma_prep.dataset.storage import Entry


@dataclass
class Source:
    rate_hz: int = 44100
    channels: int = 2
    codec: str = "mp3"
    bit_rate_bps: int = 256_000
    vbr: bool | None = False
    seconds_found: float = 1.0
    seconds_promised: float | None = None
    bad_packets: int = 0
    clipped_samples: int = 0
    decoder: str = "av"
    warnings: list[str] = field(default_factory=list)


@dataclass
class Digitized:
    codes: bytes
    n_samples: int
    sample_rate: int = 8000
    peak: float = 0.5
    silent: bool = False
    codes_sha256: str = ""
    clipped: int = 0
    source: Source = field(default_factory=Source)
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.5, "resample": 0.25})


def digitized(seed: int, n_samples: int = 1000, **source) -> Digitized:
    codes = np.random.default_rng(seed).integers(0, 256, n_samples, np.uint8).tobytes()
    return Digitized(codes, n_samples, codes_sha256=hashlib.sha256(codes).hexdigest(), source=Source(**source))


def entry(path: str, size_bytes: int = 1000, etag: str = "1") -> Entry:
    return Entry(path, size_bytes, {"etag": etag})
