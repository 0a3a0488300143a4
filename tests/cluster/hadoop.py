"""A Hadoop cluster as on EMR: a master with NameNode and ResourceManager, cores with DataNode and NodeManager.

The daemons themselves, not a simulation; HDFS checks permissions; daemons run as `hdfs` and `yarn`, people as `hadoop`.
"""

import json
import re
import subprocess
import time
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

from tests.cluster import downloads
from tests.cluster.nodes import Node, free_port, kill, wait_for_port

_JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens", "java.base/java.lang=ALL-UNNAMED"]
_DAEMONS = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "resourcemanager": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nodemanager": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
}
_USER = {"namenode": "hdfs", "datanode": "hdfs", "resourcemanager": "yarn", "nodemanager": "yarn"}


class Hadoop:
    """The cluster; `start` it, `stop` it."""

    def __init__(self, work: Path, cores: int = 2) -> None:
        self.work = work
        (work / "shared").mkdir(parents=True, exist_ok=True)
        work.chmod(0o755)
        self.master = Node("master", work)
        self.cores = [Node(f"core{i + 1}", work) for i in range(cores)]
        self.nodes = [self.master, *self.cores]
        self._ports = {
            name: free_port() for name in ("nn", "nn-web", "rm", "rm-tracker", "rm-scheduler", "rm-admin", "rm-web")
        }
        self.namenode = f"hdfs://{self.master.address}:{self._ports['nn']}"
        self._running: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        for node in self.nodes:
            self._configure(node)

    def start(self) -> "Hadoop":
        """Start all daemons and wait until both cores have reported."""
        format_ = self.master.run(
            [*self._java(self.master), _DAEMONS["namenode"], "-format", "-nonInteractive"], "hdfs"
        )
        if format_.returncode:
            raise RuntimeError(format_.stderr[-3000:])
        self._daemon(self.master, "namenode")
        self._daemon(self.master, "resourcemanager")
        for core in self.cores:
            self._daemon(core, "datanode")
            self._daemon(core, "nodemanager")
        self._wait("namenode", self.master, self._ports["nn"])
        self._wait("resourcemanager", self.master, self._ports["rm"])
        self.hdfs("-mkdir -p /user/hadoop /user/yarn /user/stranger /tmp /apps", user="hdfs")
        self.hdfs("-chmod 1777 /tmp", user="hdfs")
        self.hdfs("-chown hadoop:hadoop /user/hadoop /apps", user="hdfs")
        self.hdfs("-chown stranger:stranger /user/stranger", user="hdfs")
        self.hdfs("-chown yarn:yarn /user/yarn", user="hdfs")
        self.wait_for_nodes(len(self.cores))
        return self

    def stop(self) -> None:
        """Kill it all."""
        for node in self.nodes:
            node.stop()

    def start_nodemanager(self, core: Node) -> None:
        """Start the NodeManager of a core again."""
        self._daemon(core, "nodemanager")
        self.wait_for_nodes(len(self.cores))

    def kill_nodemanager(self, core: Node) -> None:
        """Kill a NodeManager and its containers at one blow, as when a node loses power; its HDFS stays."""
        kill(self._running.pop((core.name, "nodemanager")))
        core.lose_power(spare="DataNode")  # containers outlive their NodeManager

    def hdfs(self, command: str, *arguments: object, user: str = "hadoop", check: bool = True) -> str:
        """Run ``hdfs dfs …`` on the master: Hadoop's own client, not ours."""
        line = [*self._java(self.master), "org.apache.hadoop.fs.FsShell", *command.split(), *arguments]
        done = self.master.run(line, user)
        if check and done.returncode:
            raise RuntimeError(f"hdfs dfs {command}: {done.stderr[-2000:]}")
        return done.stdout

    def start_standalone(self) -> str:
        """Start Spark's own cluster manager beside YARN, a worker on each core, and return its URL."""
        port, log = free_port(), self.work / "master/standalone.log"
        deploy, master = "org.apache.spark.deploy", self.master
        java = [f"{master.java}/bin/java", *_JVM, "-cp", f"{master.spark}/jars/*"]
        ports = ["--port", port, "--webui-port", free_port()]
        (core_jar,) = downloads.SPARK.glob("jars/spark-core_*.jar")  # what Spark's start scripts find out and export
        scala = core_jar.name.removeprefix("spark-core_").partition("-")[0]
        known = {"SPARK_HOME": str(master.spark), "SPARK_SCALA_VERSION": scala}
        running = master.start(
            [*java, f"{deploy}.master.Master", "--host", master.address, *ports], log, "yarn", **known
        )
        wait_for_port(master.address, port, running, log)
        for core in self.cores:
            folder = core.home / "local/standalone"
            command = [*java, f"{deploy}.worker.Worker", "--host", core.address, "--cores", 1, "--memory", "1g"]
            command += ["--work-dir", folder, "--webui-port", free_port(), f"spark://{master.address}:{port}"]
            core.start(command, self.work / core.name / "standalone.log", "yarn", **known)
        return f"spark://{master.address}:{port}"

    def rest(self, path: str) -> dict[str, object]:
        """Ask the ResourceManager."""
        with urllib.request.urlopen(f"http://{self.master.address}:{self._ports['rm-web']}/ws/v1/cluster/{path}") as r:
            return json.load(r)

    def wait_for_nodes(self, count: int, seconds: float = 180) -> None:
        """Wait until so many NodeManagers are running."""
        end = time.monotonic() + seconds
        while True:
            try:
                nodes = ((self.rest("nodes").get("nodes") or {}).get("node")) or []
            except OSError:
                nodes = []
            if sum(n["state"] == "RUNNING" for n in nodes) == count:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{nodes}: not {count} NodeManagers within {seconds:g} s")
            time.sleep(0.5)

    def applications(self) -> list[dict[str, object]]:
        """Return all applications, newest first."""
        apps = (self.rest("apps").get("apps") or {}).get("app") or []
        return sorted(apps, key=lambda a: -a["startedTime"])

    def kill_application(self, application: str) -> None:
        """Kill it, as `yarn application -kill` does."""
        url = f"http://{self.master.address}:{self._ports['rm-web']}/ws/v1/cluster/apps/{application}/state?user.name=hadoop"
        request = urllib.request.Request(
            url, b'{"state": "KILLED"}', {"Content-Type": "application/json"}, method="PUT"
        )
        urllib.request.urlopen(request).close()  # noqa: S310  http, as written above

    def logs(self, application: str) -> dict[str, str]:
        """Return what an application's containers wrote, by container and file."""
        found = sorted(self.work.glob(f"core*/logs/{application}/*/std*"))
        return {f"{p.parent.name}/{p.name}": p.read_text(errors="replace") for p in found}

    def driver_log(self, application: str) -> str:
        """Return the application master's stdout and stderr."""
        return "".join(text for name, text in self.logs(application).items() if re.search(r"_01_000001/", name))

    def _java(self, node: Node) -> list[str]:
        classes = ":".join([str(node.home / "conf"), str(node.home / "web"), f"{node.hadoop}/*"])
        return [f"{node.java}/bin/java", *_JVM, "-cp", classes]

    def _daemon(self, node: Node, name: str) -> None:
        log = self.work / node.name / f"{name}.log"
        environment = {"HADOOP_CONF_DIR": str(node.home / "conf")}
        self._running[node.name, name] = node.start(
            [*self._java(node), _DAEMONS[name]], log, _USER[name], **environment
        )

    def _wait(self, name: str, node: Node, port: int) -> None:
        log = self.work / node.name / f"{name}.log"
        wait_for_port(node.address, port, self._running[node.name, name], log)

    def _configure(self, node: Node) -> None:
        folder = self.work / node.name
        for page in ("hdfs", "datanode", "cluster", "node"):  # the jars lack the web pages
            (folder / "web/webapps" / page / "WEB-INF").mkdir(parents=True)
        for own, user in (("hdfs", "hdfs"), ("local", "yarn"), ("logs", "yarn"), ("tmp", "hadoop")):
            (folder / own).mkdir()
            node.run(["chown", user, node.home / own])
        (folder / "tmp").chmod(0o1777)
        conf = folder / "conf"
        conf.mkdir()
        for name, values in self._settings(node).items():
            rows = "".join(
                f"<property><name>{k}</name><value>{escape(str(v))}</value></property>\n" for k, v in values.items()
            )
            (conf / f"{name}.xml").write_text(f"<configuration>\n{rows}</configuration>\n")
        (conf / "log4j.properties").write_text(
            "log4j.rootLogger=INFO,console\nlog4j.appender.console=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.console.target=System.err\nlog4j.appender.console.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n\n"
        )

    def _settings(self, node: Node) -> dict[str, dict[str, object]]:
        at, ports, home = self.master.address, self._ports, node.home
        mine = {
            name: f"{node.address}:{free_port()}"
            for name in ("dn", "dn-web", "dn-ipc", "nm", "nm-local", "nm-web", "shuffle")
        }
        return {
            "core-site": {"fs.defaultFS": self.namenode, "hadoop.tmp.dir": home / "tmp"},
            "hdfs-site": {
                "dfs.replication": 1,
                "dfs.permissions.enabled": "true",
                "dfs.namenode.name.dir": f"file://{home}/hdfs/name",
                "dfs.datanode.data.dir": f"file://{home}/hdfs/data",
                "dfs.namenode.rpc-address": f"{at}:{ports['nn']}",
                "dfs.namenode.http-address": f"{at}:{ports['nn-web']}",
                "dfs.datanode.address": mine["dn"],
                "dfs.datanode.http.address": mine["dn-web"],
                "dfs.datanode.ipc.address": mine["dn-ipc"],
                "dfs.datanode.hostname": node.address,
                "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            },
            "yarn-site": {
                "yarn.resourcemanager.hostname": at,
                "yarn.resourcemanager.address": f"{at}:{ports['rm']}",
                "yarn.resourcemanager.resource-tracker.address": f"{at}:{ports['rm-tracker']}",
                "yarn.resourcemanager.scheduler.address": f"{at}:{ports['rm-scheduler']}",
                "yarn.resourcemanager.admin.address": f"{at}:{ports['rm-admin']}",
                "yarn.resourcemanager.webapp.address": f"{at}:{ports['rm-web']}",
                "yarn.nm.liveness-monitor.expiry-interval-ms": 20000,  # ten minutes, by default
                "yarn.am.liveness-monitor.expiry-interval-ms": 120000,
                "yarn.resourcemanager.nm.liveness-monitor.interval-ms": 1000,
                "yarn.nodemanager.hostname": node.name if node.address.startswith("10.") else node.address,
                "yarn.nodemanager.address": mine["nm"],
                "yarn.nodemanager.localizer.address": mine["nm-local"],
                "yarn.nodemanager.webapp.address": mine["nm-web"],
                "yarn.nodemanager.local-dirs": home / "local",
                "yarn.nodemanager.log-dirs": home / "logs",
                "yarn.nodemanager.vmem-check-enabled": "false",
                "yarn.nodemanager.resource.memory-mb": 5120,
                "yarn.nodemanager.resource.cpu-vcores": 4,
                "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99.9,
                "yarn.scheduler.minimum-allocation-mb": 256,
                "yarn.log-aggregation-enable": "false",
                "yarn.nodemanager.delete.debug-delay-sec": 0,
                "yarn.resourcemanager.am.max-attempts": 2,
            },
            "capacity-scheduler": {
                "yarn.scheduler.capacity.root.queues": "default",
                "yarn.scheduler.capacity.root.default.capacity": 100,
                "yarn.scheduler.capacity.maximum-am-resource-percent": 0.5,
            },
        }
