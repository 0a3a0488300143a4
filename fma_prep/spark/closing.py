"""The closing table: what a run did, where, and how fast."""

from collections.abc import Mapping

from fma_prep.dataset.summary import Summary
from fma_prep.errors import RunError, printable
from fma_prep.spark.progress import Tally

__all__ = ["closing_table", "require_ok"]

_FAILURES_SHOWN = 8


def closing_table(summary: Summary, uri: str, skipped: Mapping[str, int], tally: Tally, elapsed_s: float) -> str:
    """Return what a person wants to know at the end of a run.

    Parameters
    ----------
    summary : Summary
        Of the whole dataset.
    uri : str
        Where it is.
    skipped : mapping
        Why files of INPUT are no part of it, and how many.
    tally : Tally
        What this run did, and not an earlier one.
    elapsed_s : float
        Seconds that it took, start-up of Spark apart.
    """
    rows = [
        ("tracks", f"{summary.done:,} done, {summary.failed:,} failed" + _also(summary, skipped)),
        ("audio", f"{summary.hours:.2f} h, {summary.codes_bytes / 1e6:,.1f} MB of codes in {summary.shards:,} shards"),
        ("this run", _speed(tally, elapsed_s)),
    ]
    if spent := sum(summary.seconds.values()):
        shares = sorted(summary.seconds.items(), key=lambda item: -item[1])
        rows.append(("time in", ", ".join(f"{stage} {seconds / spent:.0%}" for stage, seconds in shares)))
    failures = list(summary.failures.items())[:_FAILURES_SHOWN]
    rows += [("failed" if n == 0 else "", f"{count:,} {reason}") for n, (reason, count) in enumerate(failures)]
    if len(summary.failures) > _FAILURES_SHOWN:
        rows.append(("", "more in _manifest.jsonl"))
    rows.append(("dataset", uri))
    return "\n".join(f"{printable(name):>8}  {printable(text)}" for name, text in rows)


def require_ok(summary: Summary, uri: str, max_failed: float) -> None:
    """End the run with an error if too much of it failed.

    Raises
    ------
    RunError
    """
    if summary.ok:
        return
    problem = f"{summary.failed:,} of {summary.tracks:,} tracks failed"
    if summary.done:
        problem += f", more than --max-failed {max_failed:g} allows"
    raise RunError(problem, uri, "See _manifest.jsonl for why; what is done stays, and the same command goes on.")


def _also(summary: Summary, skipped: Mapping[str, int]) -> str:
    also = {"silent": summary.silent, "with warnings": summary.with_warnings, **skipped}
    return "".join(f", {count:,} {what}" for what, count in also.items() if count)


def _speed(tally: Tally, elapsed_s: float) -> str:
    if not tally.tracks:
        return "nothing was left to do"
    rate = tally.audio_s / max(elapsed_s, 1e-9)
    return f"{tally.tracks:,} tracks in {elapsed_s:.1f} s, {rate:,.0f} times real time"
