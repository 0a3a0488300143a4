"""The recipe: everything that decides which codes a track becomes. Every audio default has its one home here."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from fma_prep.errors import DatasetError, UsageError

__all__ = ["Recipe"]

Channel = Literal["left", "right", "mix"]
Normalize = Literal["peak", "none"]
Quantizer = Literal["nearest", "floor"]
Decoder = Literal["av", "pydub", "subband"]
Resampler = Literal["kaiser_best", "kaiser_fast"]

CHOICES: dict[str, tuple[str, ...]] = {
    "channel": get_args(Channel),
    "normalize": get_args(Normalize),
    "quantizer": get_args(Quantizer),
    "decoder": get_args(Decoder),
    "resampler": get_args(Resampler),
}

_REVISION = 1  # of the numbers themselves: raised when the same settings give other codes


@dataclass(frozen=True)
class Recipe:
    """How a track becomes codes.

    Attributes
    ----------
    sample_rate : int, 1000 to 192000, in Hz
    channel : {"left", "right", "mix"}
    normalize : {"peak", "none"}
    quantizer : {"nearest", "floor"}
    mu : float > 0
        The compression of the mu-law; there are 256 levels whatever it is.
    decoder : {"av", "pydub", "subband"}
    resampler : {"kaiser_best", "kaiser_fast"}

    Raises
    ------
    UsageError
        If a setting is not one of these.
    """

    sample_rate: int = 8000
    channel: Channel = "left"
    normalize: Normalize = "peak"
    quantizer: Quantizer = "nearest"
    mu: float = 255
    decoder: Decoder = "av"
    resampler: Resampler = "kaiser_best"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"must be one of {', '.join(choices)}", f"{name}={getattr(self, name)}")
        if not (isinstance(self.sample_rate, int) and 1000 <= self.sample_rate <= 192_000):
            raise UsageError("must be a whole number of Hz from 1000 to 192000", f"sample_rate={self.sample_rate}")
        if not (math.isfinite(self.mu) and self.mu > 0):
            raise UsageError("must be a number above 0", f"mu={self.mu}")
        object.__setattr__(self, "mu", int(self.mu) if self.mu == int(self.mu) else float(self.mu))  # 255.0 is 255

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as builtins, as shards and records carry them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "Recipe":
        """Return the recipe that `to_dict` gave `settings` for.

        Raises
        ------
        DatasetError
            If `settings` has other names than a recipe, or values that no recipe has.
        """
        if set(settings) != {f.name for f in fields(cls)}:
            raise DatasetError("these are not the settings of a recipe", ", ".join(map(str, settings)))
        try:
            return cls(**settings)
        except (UsageError, TypeError) as e:
            raise DatasetError("a recipe of another version", str(e)) from e

    @property
    def fingerprint(self) -> str:
        """16 hex digits: equal if and only if the same bytes become the same codes."""
        settings = json.dumps({"revision": _REVISION, **self.to_dict()}, sort_keys=True)
        return hashlib.sha256(settings.encode()).hexdigest()[:16]
