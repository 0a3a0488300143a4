"""What a track was before it became codes, and whether it is fit for use: the same judgement for all decoders."""

from dataclasses import dataclass, field

from fma_prep.errors import TrackError

__all__ = ["Source", "Tally", "judge"]

_MAX_LOST = 0.02  # of what was promised
_MAX_BAD, _MAX_BAD_RATIO = 2, 0.01


@dataclass
class Source:
    """What a track was before it became codes. Complete once it is decoded.

    Attributes
    ----------
    rate_hz, channels, bit_rate_bps : int
        Rate and channels are those of the first frame, the bit rate is the average of the packets.
    codec, decoder : str
    vbr : bool or None
        Whether the bit rate varies, where that is known.
    seconds_found, seconds_promised : float
        What could be decoded, and what a header promises: None if nothing does.
    bad_packets : int
        Packets between the first and the last good one that could not be decoded, or not to sane samples.
    clipped_samples : int
        Those that were beyond ±1.
    warnings : list of str
        What a person might want to know.
    """

    rate_hz: int = 0
    channels: int = 0
    codec: str = ""
    bit_rate_bps: int = 0
    vbr: bool | None = None
    seconds_found: float = 0.0
    seconds_promised: float | None = None
    bad_packets: int = 0
    clipped_samples: int = 0
    decoder: str = "av"
    warnings: list[str] = field(default_factory=list)


@dataclass
class Tally:
    """Packets so far. Those before the first good one and after the last are junk and tags, not damage."""

    good: int = 0
    bad: int = 0
    bad_since: int = 0
    silenced: int = 0
    changes: int = 0
    size_bytes: int = 0
    sizes: set[int] = field(default_factory=set)  # of good ones, but for the last: it may be cut
    last_bytes: int = 0

    def saw_good(self, size_bytes: int) -> None:
        if self.good:
            self.bad += self.bad_since
            self.sizes.add(self.last_bytes)
        self.bad_since = 0
        self.good += 1
        self.size_bytes += size_bytes
        self.last_bytes = size_bytes


def judge(source: Source, tally: Tally, promised_by: str) -> None:
    """Complete `source` once all is decoded.

    Raises
    ------
    TrackError
        If the track turned out not to be usable: no sound, too damaged, or cut off.
    """
    if not source.seconds_found and tally.bad_since:
        raise TrackError("decode", f"damaged: none of its {tally.bad_since} packets can be decoded")
    if not source.seconds_found:
        raise TrackError("decode", "there is no sound in it")
    packets = tally.good + tally.bad
    source.seconds_found = round(source.seconds_found, 6)
    source.bad_packets = tally.bad + tally.silenced
    source.bit_rate_bps = round(tally.size_bytes * 8 / source.seconds_found)
    if source.codec == "mp3" and source.vbr is None and tally.sizes:
        source.vbr = max(tally.sizes) - min(tally.sizes) > 1  # at a constant rate, one byte of padding comes and goes
    if source.bad_packets > max(_MAX_BAD, _MAX_BAD_RATIO * packets):
        raise TrackError("decode", f"damaged: {source.bad_packets} of {packets} packets are unusable")
    if source.seconds_promised is None:
        source.warnings.append("nothing in the file says how long it should be")
        return
    packet_s = source.seconds_found / tally.good if tally.good else 0.0
    lost_s = source.seconds_promised - source.seconds_found
    found, promised = f"{source.seconds_found:.1f} s", f"{source.seconds_promised:.1f} s"
    if lost_s - tally.bad * packet_s > max(_MAX_LOST * source.seconds_promised, packet_s):  # damage was judged above
        raise TrackError("decode", f"truncated: {found} of the {promised} that its {promised_by} header promises")
    if lost_s > packet_s / 2:
        source.warnings.append(f"{lost_s:.2f} s of the {promised} that its {promised_by} header promises are missing")
