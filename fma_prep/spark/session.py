"""A Spark context that works: on a laptop from nothing, elsewhere as spark-submit made it."""

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkConf, SparkContext

from fma_prep.errors import SetupError
from fma_prep.spark.java import find_java_home

__all__ = ["local_master", "session", "worker_environment"]

_ATTEMPTS = 4  # Spark's default spark.task.maxFailures, which local[N] alone ignores

# One thread a worker, whatever the node's own environment says. Set here and not where fma_prep is imported, for a
# trainer imports it too, to read; and because pyspark's worker loads numpy before it loads us.
_WORKER_ENV = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@contextmanager
def session(name: str, master: str | None = None) -> Iterator[SparkContext]:
    """Give a Spark context, and stop it at the end.

    Parameters
    ----------
    name : str
        Of the application, as Spark's pages show it.
    master : str, optional
        As Spark has it. By default what spark-submit was told, else ``local[*]``.

    Raises
    ------
    SetupError
        If Spark cannot start here.
    """
    under_submit = "PYSPARK_GATEWAY_PORT" in os.environ
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # what it has to say is raised too, and is ours to say
    if under_submit:
        SparkContext._ensure_initialized()  # without its JVM, SparkConf does not know what spark-submit was told
    else:
        _prepare_laptop()
    conf = SparkConf().setAppName(name)
    master = local_master(master or conf.get("spark.master") or "local[*]")
    conf.setMaster(master)
    conf.setIfMissing("spark.ui.showConsoleProgress", "false")  # we show our own
    if master.startswith("local"):
        os.environ["PYSPARK_PYTHON"] = sys.executable  # else workers take the first python3 on PATH
        conf.setIfMissing("spark.ui.enabled", "false")
        conf.setIfMissing("spark.driver.host", "127.0.0.1")
        conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1")
    for variable, value in worker_environment().items():
        conf.set(f"spark.executorEnv.{variable}", value)
    try:
        context = SparkContext(conf=conf)
    except Exception as e:
        raise SetupError("Spark cannot start", master, _first_line(e)) from e
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # pyspark's own calls py4j from inside py4j
    if master.startswith("local"):
        context.setLogLevel("OFF")  # a lost worker is a line in our table, not a Java stack trace
    try:
        yield context
    finally:
        context.stop()


def worker_environment() -> dict[str, str]:
    """Return what must be set in a worker before numpy is loaded: one thread, and the BLAS kernel that we chose."""
    kernel = os.environ.get("OPENBLAS_CORETYPE")
    return _WORKER_ENV | ({"OPENBLAS_CORETYPE": kernel} if kernel else {})


def local_master(master: str) -> str:
    """Return `master`, with retries if it is local: ``local[N]`` as ``local[N,4]``, or a lost worker ends the run."""
    found = re.fullmatch(r"local(?:\[(\*|\d+)\])?", master)
    return f"local[{found[1] or 1},{_ATTEMPTS}]" if found else master


def _prepare_laptop() -> None:
    os.environ["JAVA_HOME"] = str(find_java_home())
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # The work is done in Python: a JVM that compiles and collects less leaves it the cores (seen on a busy machine).
    java = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    # spark-submit's launcher says things before a log level can be set
    quiet = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
    os.environ["SPARK_SUBMIT_OPTS"] = f"{os.environ.get('SPARK_SUBMIT_OPTS', '')} {java} {quiet}".strip()


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
