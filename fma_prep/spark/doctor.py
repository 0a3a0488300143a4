"""What is wrong with a cluster, in sentences with a remedy each: before the job starts, or by ``jobs/doctor.py``."""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext, cloudpickle

from fma_prep.command import add_storage_option
from fma_prep.dataset.access import check_output
from fma_prep.dataset.storage import has_scheme, list_input, refuse_inside
from fma_prep.errors import FmaPrepError, SetupError, StorageError, UsageError, printable
from fma_prep.spark import probe as probes
from fma_prep.spark.session import session

__all__ = ["Finding", "diagnose", "doctor_parser", "examine", "main", "preflight", "refuse_local_paths"]

_SHIP = (
    "Ship the archive: --archives dist/fma_prep-{machine}.tar.gz#deps with PYTHONPATH=./deps, "
    "or run bootstrap/install.sh on every node."
)
_DISK_BYTES = 2e9
_SKEW_S = 60.0
_PAUSE_S = 0.3

# Found in Spark's own errors, when not even a probe can run there.
_SPARK_SAYS = {
    "PYTHON_VERSION_MISMATCH": (
        "the executors' Python is not the driver's",
        "Set spark.pyspark.python to the same Python 3.11 on all nodes.",
    ),
    "Cannot run program": (
        "the executors do not have the Python that they were told to run",
        "Set spark.pyspark.python to one that every node has: /usr/bin/python3.11.",
    ),
    "ModuleNotFoundError": ("a package is missing on the executors", _SHIP.format(machine="x86_64")),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    where : str
        Host, or INPUT or OUTPUT.
    problem, remedy : str
        What is wrong, without a full stop; what to do, as a sentence.
    """

    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return str(self.error())

    def error(self) -> SetupError:
        """Return it as the error that stops a run."""
        return SetupError(self.problem, self.where, self.remedy)


def preflight(
    context: SparkContext, input_uri: str, output_uri: str, options: dict[str, Any], track: str | None = None
) -> None:
    """Refuse a run that cannot work, in the words of doctor, at the cost of one small Spark job.

    Parameters
    ----------
    context : SparkContext
    input_uri, output_uri : str
    options : dict
        As ``--storage-options`` has it: ``{"input": {...}, "output": {...}}``.
    track : str, optional
        One that INPUT holds, if it was listed already.

    Raises
    ------
    UsageError
        For a path without a scheme on a cluster.
    StorageError
        If the driver may not do in a store what the run needs.
    SetupError
        If an executor lacks something.
    """
    master = str(context.master)
    refuse_local_paths(master, input_uri, output_uri)
    if problems := check_output(output_uri, options["output"]):
        raise StorageError(problems[0])
    if master.startswith("local"):
        return  # the workers are this process's children
    request = {"input": input_uri, "output": output_uri, "options": options, "track": track}
    driver = probes.probe(request)
    started = time.monotonic()
    executors = list(_answers(context, request, wait_s=0))
    for finding in diagnose(driver, executors, time.monotonic() - started):
        raise finding.error()


def refuse_local_paths(master: str, *uris: str) -> None:
    """Refuse paths without a scheme on a cluster: each node would look on its own disk.

    Raises
    ------
    UsageError
    """
    for uri in uris:
        if not master.startswith("local") and not has_scheme(uri):
            raise UsageError(
                "a path without a scheme means this machine's own disk, which the nodes of a cluster do not see",
                uri,
                "Write hdfs:///… or s3://…, or file:///… if every node has it mounted.",
            )


def diagnose(driver: dict[str, Any], executors: list[dict[str, Any]], round_s: float) -> Iterator[Finding]:
    """Yield what is wrong, gravest first, each once though many hosts say it.

    Parameters
    ----------
    driver, executors : dict
        As `probe.probe` answers.
    round_s : float
        How long the executors took to answer: a clock may differ by so much and be right.
    """
    seen: set[tuple[str, str]] = set()
    for answer in [driver, *executors]:
        for problem, remedy in _wrong(answer, driver, round_s):
            if (problem, remedy) not in seen:
                seen.add((problem, remedy))
                same = [a for a in (driver, *executors) if (problem, remedy) in _wrong(a, driver, round_s)]
                yield Finding(", ".join(sorted({a["host"] for a in same})), problem, remedy)


def _wrong(answer: dict[str, Any], driver: dict[str, Any], round_s: float) -> list[tuple[str, str]]:
    ship = _SHIP.format(machine=answer["machine"])
    found = []
    if tuple(map(int, answer["python"].split(".")[:2])) < (3, 11):
        found.append((f"Python {answer['python']} is too old", "Set spark.pyspark.python=/usr/bin/python3.11."))
    if (about := answer["archive"]) and about["arch"] != answer["machine"]:
        problem = f"the archive is for {about['arch']}, this node is {answer['machine']}"
        return [*found, (problem, f"make archive ARCH={answer['machine']}, and ship that one.")]
    for name, version in answer["packages"].items():
        if version.startswith("!"):
            found.append((f"the package {name} cannot be loaded ({version[1:]})", ship))
        elif not driver["packages"][name].startswith("!") and version != driver["packages"][name]:
            problem = f"{name} is {version} there and {driver['packages'][name]} on the driver"
            found.append((problem, "Ship one archive to all, and give it to the driver too."))
    if answer["ffmpeg"].startswith("!"):
        found.append((f"ffmpeg does not run ({answer['ffmpeg'][1:]})", ship))
    if answer["free_bytes"] < _DISK_BYTES:
        free = f"only {answer['free_bytes'] / 1e9:.1f} GB are free on the disk"
        found.append((free, "Free some, or take nodes with larger disks."))
    if abs(skew := _skew_s(answer, driver, round_s)) > _SKEW_S:
        problem = f"the clock differs from the driver's by {skew:+.0f} s"
        found.append((problem, "Start chronyd there: S3 refuses who has the wrong time."))
    found += [(f"{end.upper()}: {sentence}", "") for end in ("input", "output") for sentence in answer[end]]
    return found


def _skew_s(answer: dict[str, Any], driver: dict[str, Any], round_s: float) -> float:
    """Return by how much a clock is before the question or after the answer, as the driver's clock has these."""
    late = float(answer["time_s"] - driver["time_s"])
    return late if late < 0 else max(late - round_s, 0.0)


def examine(
    context: SparkContext, input_uri: str, output_uri: str, options: dict[str, Any], wait_s: float = 60.0
) -> tuple[str, list[Finding]]:
    """Probe the driver and every executor that is granted within `wait_s`; return a table and what is wrong."""
    track, findings = None, []
    try:
        refuse_local_paths(str(context.master), input_uri, output_uri)
        _, tracks, _ = list_input(input_uri, options["input"])
        track = tracks[0].path if tracks else None
        refuse_inside(output_uri, input_uri)
    except UsageError as e:
        findings.append(Finding(e.thing, e.problem, e.remedy))
    except FmaPrepError:
        pass  # the driver's own answer says it
    if _hadoop_setting(context, "hadoop.security.authentication") == "kerberos":
        findings.append(Finding("HDFS", "Kerberos is not supported", "Use a cluster without it, or s3:// paths."))
    request = {"input": input_uri, "output": output_uri, "options": options, "track": track, "pause_s": _PAUSE_S}
    started = time.monotonic()
    driver = probes.probe(request)
    try:
        executors = list(_answers(context, request, wait_s))
    except SetupError as e:
        executors = []
        findings.append(Finding("executors", e.problem, e.remedy))
    findings += diagnose(driver, executors, time.monotonic() - started)
    return table(driver, executors, time.monotonic() - started), findings


def _answers(context: SparkContext, request: dict[str, Any], wait_s: float) -> Iterator[dict[str, Any]]:
    """Yield one answer an executor, trying again while more of them are being granted.

    Raises
    ------
    SetupError
        If Spark cannot even start Python there.
    """
    cloudpickle.register_pickle_by_value(probes)  # type: ignore[no-untyped-call]  # it must run where this package is missing
    end = time.monotonic() + wait_s
    known: set[str] = set()
    try:
        while True:
            tasks = 2 * max(context.defaultParallelism, _granted(context))
            for answer in context.parallelize(range(tasks), tasks).map(_asking(request)).collect():
                if answer["executor"] not in known:
                    known.add(answer["executor"])
                    yield answer
            if time.monotonic() >= end or len(known) >= _wanted(context):
                return
            time.sleep(1)
    except Py4JJavaError as e:
        raise _said_by_spark(str(e.java_exception)) from e
    finally:
        cloudpickle.unregister_pickle_by_value(probes)  # type: ignore[no-untyped-call]


def _asking(request: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Return a function with nothing of this module in it, so that Spark pickles it by value."""
    probe = probes.probe
    return lambda _: probe(request)


def _said_by_spark(text: str) -> SetupError:
    for sign, (problem, remedy) in _SPARK_SAYS.items():
        if sign in text:
            return SetupError(problem, "", remedy)
    return SetupError(
        "no task runs on the executors", printable(text.splitlines()[0])[:300], "See the executors' logs."
    )


def _granted(context: SparkContext) -> int:
    return int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1  # one is the driver


def _wanted(context: SparkContext) -> float:
    """Return how many executors there will be; without a fixed number, wait and see."""
    if str(context.master).startswith("local"):
        return 1
    instances = context.getConf().get("spark.executor.instances")
    return int(instances) if instances else math.inf


def _hadoop_setting(context: SparkContext, name: str) -> str:
    return str(context._jsc.hadoopConfiguration().get(name, ""))


def table(driver: dict[str, Any], executors: list[dict[str, Any]], round_s: float) -> str:
    """Return one row for the driver and one for each executor."""
    rows = [("", "host", "Python", "CPU", "packages", "ffmpeg", "free", "who", "INPUT", "OUTPUT", "clock")]
    for name, a in [("driver", driver), *(("executor", e) for e in sorted(executors, key=lambda e: e["host"]))]:
        bad = [n for n, v in a["packages"].items() if v.startswith("!")]
        versions = f"{a['packages']['fma_prep']}, numpy {a['packages']['numpy']}, av {a['packages']['av']}"
        asked = ["ok" if not a[end] else "NO" for end in ("input", "output")] if a["asked"] else ["?", "?"]
        rows.append((
            name, a["host"], a["python"], a["machine"], f"missing: {', '.join(bad)}" if bad else versions,
            "NO" if a["ffmpeg"].startswith("!") else a["ffmpeg"][:12] or "?", f"{a['free_bytes'] / 1e9:.0f} GB",
            a["who"], *asked, f"{_skew_s(a, driver, round_s):+.0f} s",
        ))  # fmt: skip
    widths = [max(len(printable(row[i])) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(printable(c).ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def doctor_parser() -> argparse.ArgumentParser:
    """Return the parser of ``jobs/doctor.py``."""
    parser = argparse.ArgumentParser(prog="doctor.py", description="Say what would keep digitize.py from working here.")
    parser.add_argument("input", metavar="INPUT", help="as for digitize.py")
    parser.add_argument("output", metavar="OUTPUT", help="as for digitize.py; a small file is written and deleted")
    parser.add_argument("--master", help="where Spark runs (default: what spark-submit says, else local[*])")
    parser.add_argument(
        "--wait", type=float, default=60.0, metavar="SECONDS", help="for executors (default: %(default)s)"
    )
    add_storage_option(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Examine, print the table and the findings; 0 if there are none."""
    options = doctor_parser().parse_args(argv)
    with session("fma_prep doctor", options.master) as context:
        shown, findings = examine(context, options.input, options.output, options.storage_options, options.wait)
    print(shown)
    for finding in findings:
        print(f"- {finding}")
    print("Nothing is wrong." if not findings else f"{len(findings)} things are wrong.")
    return 1 if findings else 0
