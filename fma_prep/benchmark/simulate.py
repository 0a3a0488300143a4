"""What a cluster would make of fma_full: measured costs per track, scheduled on 16 to 4,096 cores.

What is measured comes from a benchmark's results; what is assumed is in `Cluster`, and the chart says so.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray
from scipy.optimize import nnls  # type: ignore[import-untyped]

from fma_prep.dataset.plan import plan
from fma_prep.dataset.storage import Entry

__all__ = [
    "CORES",
    "Cluster",
    "TrackCost",
    "chart",
    "fma_full_lengths_s",
    "fitted_cost",
    "simulate",
    "simulation",
    "table",
]

CORES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_TRACKS = 106_574
_TOTAL_S = 343 * 86_400.0  # published: 343 days
_LONGEST_S = 11_000.0
_BITS_PER_S = 266_000  # published mean
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrackCost:
    """Seconds that a track takes one core: `track_s` whatever its length, and `sound_s` for each second of sound."""

    track_s: float
    sound_s: float


@dataclass(frozen=True)
class Cluster:
    """What is assumed of a cluster, none of it measured here.

    Attributes
    ----------
    start_s : float
        Until the first task runs: instances, bootstrap, Spark.
    end_s : float
        From the last task until the commits are merged.
    list_s : float
        For each 1,000 keys of the store.
    latency_s : float
        Of the first read of a task; later ones are read ahead.
    core_bytes_per_s : float
        What a core gets of its node's network: 10 Gbit/s for 16.
    schedule_s : float
        Of the driver, which hands tasks out one after another.
    slow_share, slow_factor : float
        Some cores are slower than the others.
    jitter : float
        Standard deviation of the logarithm of a task's time.
    retry_share : float
        Of tasks whose worker is lost half way; they begin again.
    core_hour_dollars : float
        On demand, with the service's surcharge.
    """

    start_s: float = 360.0
    end_s: float = 15.0
    list_s: float = 0.1
    latency_s: float = 0.1
    core_bytes_per_s: float = 10e9 / 8 / 16
    schedule_s: float = 0.002
    slow_share: float = 0.02
    slow_factor: float = 1.5
    jitter: float = 0.05
    retry_share: float = 0.002
    core_hour_dollars: float = 0.06


def fma_full_lengths_s(seed: int = 0) -> Floats:
    """Return 106,574 lengths in seconds: log-normal, with a thin tail up to the longest, 343 days in all.

    The published figures are the number, the total and the longest; the shape between them is our choice, made so that
    a quarter is under about 150 s and a quarter over about 330 s.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.lognormal(np.log(222), 0.6, _TRACKS)
    tail = rng.random(_TRACKS) < 0.003
    lengths[tail] = np.exp(rng.uniform(np.log(1200), np.log(_LONGEST_S), int(tail.sum())))
    lengths *= _TOTAL_S / lengths.sum()
    lengths = np.minimum(lengths, _LONGEST_S)
    lengths[lengths.argmax()] = _LONGEST_S
    return lengths


def fitted_cost(results: Mapping[str, Any]) -> TrackCost:
    """Fit the cost of a track to those measured in one process, by least squares."""
    tracks = results["alone"]["digitize"]["tracks"]
    sound_s = np.array([track["audio_s"] for track in tracks])
    (track_s, each_s), _ = nnls(np.stack([np.ones_like(sound_s), sound_s], 1), [track["wall_s"] for track in tracks])
    return TrackCost(float(track_s), float(each_s))


def simulate(cost: TrackCost, cluster: Cluster, cores: Sequence[int] = CORES) -> list[dict[str, Any]]:
    """Return what a run takes on each number of cores, with size-balanced partitions and with plain ones.

    Plain means equal numbers of tracks in the order of the listing, as many slices as cores: what `parallelize` does
    when it is told nothing.
    """
    lengths_s = fma_full_lengths_s()
    sizes = (lengths_s * _BITS_PER_S / 8).astype(int)
    entries = [Entry(f"{i // 1000:03d}/{i:06d}.mp3", int(size), {}) for i, size in enumerate(sizes)]
    place = {entry.path: i for i, entry in enumerate(entries)}
    answers = []
    for n in cores:
        balanced = [np.array([place[entry.path] for entry in bin_]) for bin_ in plan(entries, None, n)]
        plain = np.array_split(np.arange(_TRACKS), n)
        for name, bins in (("balanced", balanced), ("plain", plain)):
            answers.append({"partitions": name, "cores": n} | _run(cost, cluster, lengths_s, bins, n))
    return answers


def _run(
    cost: TrackCost, cluster: Cluster, lengths_s: Floats, bins: Sequence[NDArray[np.intp]], cores: int
) -> dict[str, Any]:
    """Schedule one run: each task goes to the core that is free first, as Spark does it."""
    rng = np.random.default_rng(cores)
    work_s = np.array([len(b) * cost.track_s + lengths_s[b].sum() * cost.sound_s for b in bins])
    network_s = np.array([lengths_s[b].sum() * _BITS_PER_S / 8 / cluster.core_bytes_per_s for b in bins])
    tasks_s = cluster.latency_s + np.maximum(work_s, network_s) * rng.lognormal(0, cluster.jitter, len(bins))
    tasks_s[rng.random(len(bins)) < cluster.retry_share] *= 1.5
    slowness = np.where(rng.random(cores) < cluster.slow_share, cluster.slow_factor, 1.0)
    free = [(0.0, core) for core in range(cores)]
    handed_out = busy_s = 0.0
    for task_s in tasks_s:
        since, core = heapq.heappop(free)
        handed_out = max(since, handed_out) + cluster.schedule_s
        took_s = task_s * slowness[core]
        busy_s += took_s
        heapq.heappush(free, (handed_out + took_s, core))
    makespan_s = max(until for until, _ in free)
    total_s = cluster.start_s + cluster.list_s * len(lengths_s) / 1000 + makespan_s + cluster.end_s
    return {
        "tasks": len(bins),
        "tasks_s": makespan_s,
        "total_s": total_s,
        "busy": busy_s / (makespan_s * cores),
        "dollars": total_s / 3600 * cores * cluster.core_hour_dollars,
    }


def chart(axes: Axes, simulation: Mapping[str, Any]) -> str:
    """Draw time and cost against cores."""
    dearer = axes.twinx()
    for name, colour in (("balanced", "#0b6e99"), ("plain", "#c2571a")):
        mine = [answer for answer in simulation["answers"] if answer["partitions"] == name]
        cores = [answer["cores"] for answer in mine]
        axes.plot(cores, [a["total_s"] / 60 for a in mine], "o-", color=colour, label=f"{name}: whole run")
        axes.plot(cores, [a["tasks_s"] / 60 for a in mine], "o:", color=colour, ms=3, label=f"{name}: tasks only")
        dearer.plot(cores, [a["dollars"] for a in mine], "s--", color=colour, ms=3, lw=1, label=f"{name}: cost")
    axes.set(title="Simulated: fma_full on a cluster", xlabel="cores", ylabel="minutes", xscale="log", yscale="log")
    axes.set_xticks(CORES, [str(n) for n in CORES])
    axes.minorticks_off()
    dearer.set(ylabel="dollars", yscale="log")
    lines = [axes.get_legend_handles_labels(), dearer.get_legend_handles_labels()]
    for scale in (axes.yaxis, dearer.yaxis):
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter("{x:g}")
        scale.set_minor_formatter("")
    handles, labels = lines[0][0] + lines[1][0], lines[0][1] + lines[1][1]
    axes.legend(handles, labels, fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.12, 1))
    cost, cluster = simulation["cost"], Cluster(**simulation["cluster"])
    return (
        f"Measured: {cost['track_s'] * 1e3:.1f} ms a track and {cost['sound_s'] * 1e3:.2f} ms a second of sound. "
        f"Assumed: start-up {cluster.start_s:.0f} s, {cluster.core_bytes_per_s * 8 / 1e6:.0f} Mbit/s and "
        f"{cluster.core_hour_dollars} dollars an hour for a core. "
        "Where the upper lines are flat, start-up is all there is."
    )


def simulation(results: Mapping[str, Any], cluster: Cluster) -> dict[str, Any]:
    """Return the simulation that `results` allow, as it is written to JSON."""
    cost = fitted_cost(results)
    return {"cost": asdict(cost), "cluster": asdict(cluster), "answers": simulate(cost, cluster)}


def table(simulation: Mapping[str, Any]) -> str:
    """Return the simulation as a Markdown table."""
    lines = [
        "| cores | partitions | tasks | tasks, min | whole run, min | cores busy | dollars |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {a['cores']:,} | {a['partitions']} | {a['tasks']:,} | {a['tasks_s'] / 60:,.1f} | {a['total_s'] / 60:,.1f} "
        f"| {a['busy']:.0%} | {a['dollars']:,.2f} |"
        for a in simulation["answers"]
    ]
    return "\n".join(lines)
