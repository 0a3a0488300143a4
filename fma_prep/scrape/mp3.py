"""Is it an MP3, and is it all there? Enough to refuse a login page and a cut body; decoding is another room's work."""

from typing import BinaryIO

__all__ = ["ends_in_mid_frame", "looks_like_mp3"]

_KBITS_1 = {
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_KBITS_2 = {
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44100, 48000, 32000)
_JUNK_BYTES = 4096  # some files begin with a little of something else


def looks_like_mp3(head: bytes) -> bool:
    """Say whether a file that begins so may be an MP3: an ID3 tag, or a frame that another one follows.

    Parameters
    ----------
    head : bytes
        A few kilobytes, or the whole of a shorter file.
    """
    if head.startswith(b"ID3"):
        return True
    for start in range(min(len(head) - 4, _JUNK_BYTES)):
        size = _frame_bytes(head[start : start + 4])
        if size and _frame_bytes(head[start + size : start + size + 4]):
            return True
    return False


def ends_in_mid_frame(file: BinaryIO) -> bool:
    """Say whether the last frame of an MP3 is cut: the mark of a body that ended early where no length was told.

    The position of `file` is changed. A file that was cut between two frames cannot be told from a whole one.
    """
    file.seek(0)
    head = file.read(10)
    position = 10 + _synchsafe(head[6:10]) if head.startswith(b"ID3") and len(head) == 10 else 0
    window, base = b"", 0
    while True:
        if position + 4 > base + len(window):
            file.seek(position)
            window, base = file.read(1 << 20), position
        header = window[position - base : position - base + 4]
        size = _frame_bytes(header)
        if not size:  # the end, or a tag at the end, or not MP3 at all
            return position > file.seek(0, 2) or (0 < len(header) < 4 and header[:1] == b"\xff")
        end = file.seek(0, 2) if position + size > base + len(window) else base + len(window)
        if position + size > end:
            return True
        position += size


def _synchsafe(four: bytes) -> int:
    return sum((b & 0x7F) << (7 * (3 - i)) for i, b in enumerate(four))


def _frame_bytes(header: bytes) -> int:
    """Return the size of the frame that four bytes begin, or 0 (ISO 11172-3, 2.4.1.3 and 2.4.2.3)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)  # version: 3 is 1, 2 is 2, 0 is 2.5
    rate, bits = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer == 4 or rate == 3 or bits in (0, 15):
        return 0
    kbits = (_KBITS_1 if version == 3 else _KBITS_2)[layer][bits]
    rate_hz = _RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    padding = header[2] >> 1 & 1
    if layer == 1:
        return (12000 * kbits // rate_hz + padding) * 4
    samples_8 = 72 if version != 3 and layer == 3 else 144
    return samples_8 * 1000 * kbits // rate_hz + padding
