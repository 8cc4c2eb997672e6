"""Apache Spark as a cluster of its own, from the pip package: a master, workers, and the Connect server before them.

The cluster's own traffic is authenticated and encrypted with one secret, which its processes read from a file that only
their owner may read. The Connect server asks each client for a token. No web page is open: the driver's is off, and
those of master and workers, which cannot be turned off, ask for a key that nobody is given.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyspark

from pipelines.connect import VARIABLE
from pipelines.files import write_atomic

CLUSTER_SECRET = "spark_cluster_secret"  # noqa: S105 - the name of one
SPARK_HOME = Path(pyspark.__file__).parent
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
UI_FILTER = "org.apache.spark.ui.JWSFilter"
KEPT = ("PATH", "JAVA_HOME", "LANG", "LC_ALL")
"""Of the environment: where Java is, and the language, by which it reads file names that are not ASCII."""


@dataclass(frozen=True)
class Node:
    """One process of the cluster: the name others reach it by, where the master is, and what it may use.

    `folder` is the process's own (work files, the properties with the secret). Landing, staging and the lake of a home
    must be seen under the same path, and be writable, on every node and where `nightmarket` runs.
    """

    folder: Path
    host: str = "127.0.0.1"
    master_host: str = "127.0.0.1"
    master_port: int = 7077
    connect_port: int = 15002
    cores: int = 1  # of a worker
    memory_mib: int = 2048  # heap of a worker's executor, and of the Connect server

    @property
    def master(self) -> str:
        return f"spark://{self.master_host}:{self.master_port}"

    @property
    def properties_file(self) -> Path:
        return self.folder / "spark.properties"


def master_command(node: Node) -> list[str]:
    return [
        str(SPARK_HOME / "bin" / "spark-class"), MASTER,
        "--host", node.master_host, "--port", str(node.master_port), "--webui-port", "0",
        "--properties-file", str(node.properties_file),
    ]  # fmt: skip


def worker_command(node: Node) -> list[str]:
    return [
        str(SPARK_HOME / "bin" / "spark-class"), WORKER,
        "--host", node.host, "--webui-port", "0", "--cores", str(node.cores), "--memory", f"{node.memory_mib}m",
        "--work-dir", str(node.folder / "work"), "--properties-file", str(node.properties_file), node.master,
    ]  # fmt: skip


def connect_command(node: Node) -> list[str]:
    return [
        str(SPARK_HOME / "bin" / "spark-submit"), "--master", node.master, "--class", CONNECT,
        "--properties-file", str(node.properties_file), "spark-internal",
    ]  # fmt: skip


def environment(node: Node, token: str | None = None, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a node's process inherits. `token` for the Connect server alone: executors run what others wrote."""
    kept = {k: v for k, v in (os.environ if inherited is None else inherited).items() if k in KEPT}
    found = {
        **kept,
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": node.host,  # what the web pages bind to
        "SPARK_LOCAL_DIRS": str(node.folder / "local"),
        "SPARK_DAEMON_MEMORY": "512m",
    }
    return found | ({VARIABLE: token} if token else {})


def properties(node: Node, secret: str) -> dict[str, str]:
    """Spark's properties for every process of the cluster."""
    key = base64.urlsafe_b64encode(hashlib.sha256(f"ui {secret}".encode()).digest()).decode()
    return {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secret,
        "spark.network.crypto.enabled": "true",
        "spark.network.crypto.cipher": "AES/GCM/NoPadding",
        "spark.ui.enabled": "false",
        "spark.ui.filters": UI_FILTER,
        f"spark.{UI_FILTER}.param.secretKey": key,
        "spark.master.rest.enabled": "false",
        "spark.connect.grpc.binding.address": node.host,
        "spark.connect.grpc.binding.port": str(node.connect_port),
        "spark.driver.host": node.host,
        "spark.driver.bindAddress": node.host,
        "spark.driver.memory": f"{node.memory_mib}m",
        "spark.executor.memory": f"{node.memory_mib}m",
        "spark.worker.cleanup.enabled": "true",
        # A worker that was lost is replaced as long as there are others; by default ten losses end the application.
        "spark.deploy.maxExecutorRetries": "-1",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(node.folder / "warehouse"),
        # Adaptive execution joins small shuffle partitions again, so the number may suit the largest day.
        "spark.sql.adaptive.coalescePartitions.initialPartitionNum": "400",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    }


def write_properties(node: Node, secret: str) -> Path:
    """The properties as a file of mode 0600: what a command line holds, every user of the machine may read."""
    text = "".join(f"{name} {value}\n" for name, value in properties(node, secret).items())
    write_atomic(node.properties_file, text.encode(), mode=0o600)
    return node.properties_file
