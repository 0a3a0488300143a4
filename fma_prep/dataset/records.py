"""Reading a shard's pickles without trusting them.

A shard holds pickles of builtins, made without a memo: a handful of opcodes build strings, bytes, numbers and flat
dicts, and only those are read here. Anything else (a class, a function to call, a reference to what came before, a
nested list, a length beyond the end of the file) is refused before anything is built from it. So no shard can run code
or take more memory than it has bytes.
"""

import io
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from fma_prep.errors import DatasetError

__all__ = ["FORMAT", "Located", "bytes_offset", "read_record", "read_shard"]

FORMAT = "fma_prep/1"
RECORD_TYPES: dict[str, tuple[type, ...]] = {
    "track": (str,),
    "codes": (bytes,),
    "n_samples": (int,),
    "sample_rate": (int,),
    "peak": (float, int),
    "codes_sha256": (str,),
}
_MOST_OPCODES = 1000  # in one pickle; a record needs 18
_MARK = object()

Located = tuple[int, int, dict[str, Any]]


def read_shard(stream: BinaryIO, name: str = "") -> Iterator[Located | tuple[int, None, dict[str, Any]]]:
    """Yield what a shard holds: its header, then its records.

    Parameters
    ----------
    stream : binary file, seekable
    name : str
        What to call it in an error.

    Yields
    ------
    offset : int
        Where the pickle begins.
    codes_offset : int or None
        Where its codes begin; None for the header.
    pickle : dict
        ``{"format": …, "recipe": {…}}``, or a record.

    Raises
    ------
    DatasetError
        If it is not a shard of this format, or holds anything but builtins.
    """
    pickles = _Pickles(stream, name)
    offset, _, header = pickles.next()
    if not isinstance(header, dict) or header.get("format") != FORMAT or not isinstance(header.get("recipe"), dict):
        raise pickles.wrong(f"not a shard of format {FORMAT}")
    yield offset, None, header
    while not pickles.ended():
        offset, codes_offset, record = pickles.next()
        yield offset, codes_offset, _checked(record, pickles)


def read_record(stream: BinaryIO, offset: int, name: str = "") -> dict[str, Any]:
    """Return the record that begins at `offset`, as `read_shard` would."""
    pickles = _Pickles(stream, name, offset)
    return _checked(pickles.next()[2], pickles)


def bytes_offset(pickled: bytes) -> int:
    """Return where the content of the last bytes object in a pickle begins."""
    return _Pickles(io.BytesIO(pickled), "").next()[1]


def _checked(record: Any, pickles: "_Pickles") -> dict[str, Any]:
    if not isinstance(record, dict) or set(record) != set(RECORD_TYPES):
        raise pickles.wrong("not a record of a track")
    for key, types in RECORD_TYPES.items():
        if type(record[key]) not in types:
            raise pickles.wrong(f"a record's {key} is of another type")
    if len(record["codes"]) != record["n_samples"]:
        raise pickles.wrong("a record has not as many codes as samples")
    return record


class _Pickles:
    """A reader of consecutive pickles that knows only what ours are made of."""

    def __init__(self, stream: BinaryIO, name: str, offset: int = 0) -> None:
        self._stream, self._name = stream, name
        self._size = stream.seek(0, os.SEEK_END)
        stream.seek(offset)
        self._at = offset
        self._stack: list[Any] = []
        self._bytes_at = -1

    def wrong(self, problem: str) -> DatasetError:
        return DatasetError(problem, self._name or "shard", f"(at byte {self._at})")

    def ended(self) -> bool:
        return self._at >= self._size

    def next(self) -> tuple[int, int, Any]:
        """Return where the next pickle begins, where the last bytes in it began, and what it holds."""
        begin, self._bytes_at = self._at, -1
        self._stack.clear()
        for _ in range(_MOST_OPCODES):
            opcode = self._take(1)
            if opcode == b".":
                if len(self._stack) != 1:
                    break
                return begin, self._bytes_at, self._stack.pop()
            if opcode not in _OPCODES:
                raise self.wrong(f"refused: opcode {opcode!r} is not one that a shard needs")
            try:
                _OPCODES[opcode](self)
            except (IndexError, TypeError, ValueError, struct.error) as e:
                raise self.wrong("a damaged pickle") from e
        raise self.wrong("a damaged pickle")

    def _take(self, length: int) -> bytes:
        if length > self._size - self._at:
            raise self.wrong("cut short")
        data = self._stream.read(length)
        if len(data) != length:
            raise self.wrong("cut short")
        self._at += length
        return data

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def protocol(self) -> None:
        if self._take(1) != b"\x05":
            raise ValueError("another protocol")

    def text(self, layout: str) -> None:
        self.push(self._take(self._number(layout)).decode("utf-8", "surrogatepass"))  # as pickle does

    def binary(self, layout: str) -> None:
        length = self._number(layout)
        self._bytes_at = self._at
        self.push(self._take(length))

    def long(self) -> None:
        self.push(int.from_bytes(self._take(min(self._number("<B"), 16)), "little", signed=True))

    def set_items(self) -> None:
        mark = len(self._stack) - 1 - self._stack[::-1].index(_MARK)
        items = self._stack[mark + 1 :]
        del self._stack[mark:]
        self._set(items)

    def set_item(self) -> None:
        items = self._stack[-2:]
        del self._stack[-2:]
        self._set(items)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        keys, values = items[::2], items[1::2]
        nested = any(isinstance(v, dict) and any(isinstance(w, dict) for w in v.values()) for v in values)
        if not isinstance(target, dict) or len(keys) != len(values) or _MARK in values or nested:
            raise ValueError("not a flat dict")
        if not all(isinstance(key, str) for key in keys):
            raise ValueError("a key that is no string")
        target.update(zip(keys, values, strict=True))


def _frame(pickles: _Pickles) -> None:
    pickles._number("<Q")  # how much to read at once: of no use here


_OPCODES: dict[bytes, Callable[[_Pickles], None]] = {
    b"\x80": _Pickles.protocol,
    b"\x95": _frame,
    b"}": lambda p: p.push({}),
    b"(": lambda p: p.push(_MARK),
    b"u": _Pickles.set_items,
    b"s": _Pickles.set_item,
    b"\x8c": lambda p: p.text("<B"),
    b"X": lambda p: p.text("<I"),
    b"\x8d": lambda p: p.text("<Q"),
    b"C": lambda p: p.binary("<B"),
    b"B": lambda p: p.binary("<I"),
    b"\x8e": lambda p: p.binary("<Q"),
    b"K": lambda p: p.push(p._number("<B")),
    b"M": lambda p: p.push(p._number("<H")),
    b"J": lambda p: p.push(p._number("<i")),
    b"\x8a": _Pickles.long,
    b"G": lambda p: p.push(p._number(">d")),
    b"N": lambda p: p.push(None),
    b"\x88": lambda p: p.push(True),
    b"\x89": lambda p: p.push(False),
}
