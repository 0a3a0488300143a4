"""Layer III frames of any kind, made of random bits: every Huffman code is complete, so all bits mean something.

No encoder makes all that the standard allows: intensity stereo, mixed blocks, scale factors shared between granules.
"""

import numpy as np

KBITS = {3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)}
KBITS |= dict.fromkeys((2, 0), (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160))
RATES_HZ = (44100, 48000, 32000)
TABLES = (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12)  # no escapes, which libavcodec rounds to a fixed point
NORMAL, START, SHORT, STOP = range(4)


class Bits:
    """Bits in the order of writing."""

    def __init__(self):
        self.text = []

    def put(self, value, size):
        self.text.append(format(int(value), f"0{size}b"))

    def bytes(self):
        text = "".join(self.text)
        return int(text, 2).to_bytes(len(text) // 8)


def stream(seed, *, version=3, rate_index=0, mode=1, mode_extension=0, kbit_index=9, short=0.3, crc=False, n=12):  # noqa: PLR0913
    """Return `n` frames of random granules: `version` 3, 2 or 0 is MPEG-1, 2 or 2.5, `mode` 3 mono, 1 joint stereo."""
    rng = np.random.default_rng(seed)
    kinds = _kinds(rng, short)
    return b"".join(_frame(rng, version, rate_index, mode, mode_extension, kbit_index, kinds, crc) for _ in range(n))


def _kinds(rng, short):
    """Yield block types and whether blocks are mixed, of both channels, in an order that the standard allows."""
    while True:
        yield NORMAL, 0
        if rng.random() < short:
            mixed = int(rng.integers(2))
            yield START, mixed
            yield SHORT, mixed
            while rng.random() < short:
                yield SHORT, mixed
            yield STOP, mixed


def _frame(rng, version, rate_index, mode, mode_extension, kbit_index, kinds, crc):  # noqa: PLR0913, PLR0917  # fields of the header
    rate_hz = RATES_HZ[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    size = (144 if version == 3 else 72) * KBITS[version][kbit_index] * 1000 // rate_hz
    channels, lsf = 1 if mode == 3 else 2, version != 3
    bits = Bits()
    header = ((0x7FF, 11), (version, 2), (1, 2), (not crc, 1), (kbit_index, 4), (rate_index, 2), (0, 2))
    for value, width in (
        *header,
        (mode, 2),
        (mode_extension, 2),
        (0, 4),
        *([(rng.integers(1 << 16), 16)] if crc else []),
    ):
        bits.put(value, width)
    side_bytes = (9 if channels == 1 else 17) if lsf else (17 if channels == 1 else 32)
    data_bytes = size - 4 - 2 * crc - side_bytes
    _side_info(bits, rng, lsf, channels, data_bytes, kinds)
    return bits.bytes() + rng.bytes(data_bytes)


def _side_info(bits, rng, lsf, channels, data_bytes, kinds):  # noqa: PLR0913, PLR0917  # fields of the header
    bits.put(0, 8 if lsf else 9)
    bits.put(0, {(True, 1): 1, (True, 2): 2, (False, 1): 5, (False, 2): 3}[lsf, channels])
    granules = 1 if lsf else 2
    # scale factors are shared only between granules of long blocks
    kind = [next(kinds) for _ in range(granules)]
    if not lsf:
        for _ in range(channels):
            bits.put(rng.integers(16) if all(k[0] != SHORT for k in kind) else 0, 4)
    for granule in range(granules):
        for channel in range(channels):
            most = 8 * data_bytes // granules // channels
            _granule(bits, rng, lsf, min(4095, most), kind[granule], right=channel == 1)


def _granule(bits, rng, lsf, most, kind, right):  # noqa: PLR0913, PLR0917  # fields of the header
    block_type, mixed = kind
    bits.put(rng.integers(most // 2, most + 1), 12)
    bits.put(rng.integers(60) if right else rng.integers(289), 9)  # the right channel ends early: room for intensity
    bits.put(rng.integers(160, 175), 8)
    bits.put(rng.integers(512 if lsf else 16), 9 if lsf else 4)
    bits.put(block_type != NORMAL, 1)
    if block_type == NORMAL:
        for table in rng.choice(TABLES, 3):
            bits.put(table, 5)
        bits.put(rng.integers(16), 4)
        bits.put(rng.integers(8), 3)
    else:
        bits.put(block_type, 2)
        bits.put(mixed, 1)
        for table in rng.choice(TABLES, 2):
            bits.put(table, 5)
        for _ in range(3):
            bits.put(rng.integers(8), 3)
    if not lsf:
        bits.put(rng.integers(2), 1)
    bits.put(rng.integers(2), 1)
    bits.put(rng.integers(2), 1)
