"""Where things are and what became of them: stores, partitions, shards, manifest, reader."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fma_prep.dataset.reading import read_dataset, windows

__all__ = ["read_dataset", "windows"]


def __getattr__(name: str) -> Any:
    """Import what a trainer needs when it is asked for: stores are used where numpy is not."""
    if name in __all__:
        from fma_prep.dataset import reading  # noqa: PLC0415

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
