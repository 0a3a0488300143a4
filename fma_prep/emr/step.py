"""How the job is handed to spark-submit on YARN: one place, for EMR, any other cluster, and the tests of both."""

from collections.abc import Mapping, Sequence

__all__ = ["INSTALLED", "PYTHON", "environment_conf", "spark_submit"]

PYTHON = "/usr/bin/python3.11"
INSTALLED = "/opt/fma_prep/current"  # where bootstrap/install.sh puts the archive
_MB_A_CORE = 800  # of Python beside the JVM: decoded audio, numpy, ffmpeg's buffers

# Many workers at once throttle the instance metadata service, and s3fs would take that for having no credentials.
_ENVIRONMENT = {"AWS_METADATA_SERVICE_TIMEOUT": "5", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "5"}


def environment_conf(python_path: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the Spark settings that give driver and executors our Python, packages and environment.

    Parameters
    ----------
    python_path : str
        `INSTALLED`, or ``./deps`` with ``--archives …#deps``.
    environment : mapping, optional
        More variables.
    """
    variables = {"PYTHONPATH": python_path, **_ENVIRONMENT, **(environment or {})}
    conf = {"spark.pyspark.python": PYTHON}
    for name, value in variables.items():
        conf[f"spark.yarn.appMasterEnv.{name}"] = value
        conf[f"spark.executorEnv.{name}"] = value
    return conf


def spark_submit(  # noqa: PLR0913  # what spark-submit itself is told, by the same names
    job: str,
    arguments: Sequence[str],
    archive: str | None = None,
    conf: Mapping[str, str] | None = None,
    *,
    deploy_mode: str = "cluster",
    cores: int = 2,
) -> list[str]:
    """Return the command, argument by argument: nothing in it is ever split on spaces.

    Parameters
    ----------
    job : str
        Path or URI of ``jobs/digitize.py`` or ``jobs/doctor.py``.
    arguments : sequence of str
        For the job.
    archive : str, optional
        Path or URI of the dependency archive, to be shipped; None if ``bootstrap/install.sh`` has put it on the nodes.
    conf : mapping, optional
        More Spark settings; they win.
    deploy_mode : {"cluster", "client"}
    cores : int
        An executor's.
    """
    settings = {
        "spark.yarn.maxAppAttempts": "1",  # resuming replaces a second attempt
        "spark.executor.cores": str(cores),
        "spark.executor.memory": "1g",
        "spark.executor.memoryOverhead": f"{cores * _MB_A_CORE}m",
        "spark.driver.memory": "1g",
        "spark.driver.memoryOverhead": "1g",
        "spark.python.worker.faulthandler.enabled": "true",
        **environment_conf("./deps" if archive else INSTALLED),
        **(conf or {}),
    }
    command = ["spark-submit", "--master", "yarn", "--deploy-mode", deploy_mode]
    command += [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    command += ["--archives", f"{archive}#deps"] if archive else []
    return [*command, job, *arguments]
