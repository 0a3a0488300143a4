"""Draw docs/subband.svg: which subbands the way to 8 kHz leaves. Run from the repository's root."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("svg")
import matplotlib.pyplot as plt

from fma_prep.audio.resample import weights
from fma_prep.audio.subband_map import SUBBANDS, impulse_responses, subbands_needed

RATE_HZ, TARGET_HZ, POINTS = 44100, 8000, 1 << 13


def main() -> None:
    """Plot the 32 responses, and the resampler's."""
    mpl.rcParams["svg.hashsalt"] = "subband"  # the same file every time
    khz = np.fft.rfftfreq(POINTS, 1000 / RATE_HZ)
    khz = khz[khz < 10]
    needed = subbands_needed(RATE_HZ, TARGET_HZ)
    figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
    for k, response in enumerate(impulse_responses()[:16]):
        level = 20 * np.log10(np.abs(np.fft.rfft(response, POINTS)) / SUBBANDS + 1e-9)
        level[level < -104] = np.nan  # noise of the window's 17 bits
        axes.plot(khz, level[: len(khz)], color="#1f6f8b" if k < needed else "#c9c9c9", linewidth=1)
    _, weight = weights(RATE_HZ, TARGET_HZ, range(1))
    level = 20 * np.log10(np.abs(np.fft.rfft(weight[:, 0], POINTS)) + 1e-9)
    axes.plot(khz, level[: len(khz)], color="#d1495b", linewidth=2, label="the resampler to 8 kHz")
    axes.plot([], [], color="#1f6f8b", label=f"{needed} subbands that are decoded")
    axes.plot([], [], color="#c9c9c9", label="subbands that are not")
    axes.set(xlim=(0, 10), ylim=(-118, 8), xlabel="kHz", ylabel="dB")
    axes.legend(loc="lower right")
    figure.savefig(Path(__file__).with_name("subband.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
