"""What a cluster's processes are started with: no secret where others could read it, no page without a key."""

from pathlib import Path

import pytest

from pipelines.connect import VARIABLE
from pipelines.serve import spark

COMMANDS = (spark.master_command, spark.worker_command, spark.connect_command)


@pytest.fixture
def node(tmp_path: Path) -> spark.Node:
    return spark.Node(tmp_path / "node", host="worker-1", master_host="master", cores=4, memory_mib=8192)


def test_commands_name_the_master_and_the_file_with_the_secret(node: spark.Node) -> None:
    for command in COMMANDS:
        words = command(node)
        assert Path(words[0]).is_file()
        assert words[words.index("--properties-file") + 1] == str(node.properties_file)
    assert spark.master_command(node)[2:6] == ["--host", "master", "--port", "7077"]
    assert spark.worker_command(node)[-1] == "spark://master:7077"
    assert {"--cores", "4", "--memory", "8192m"} <= set(spark.worker_command(node))
    assert "spark://master:7077" in spark.connect_command(node)


def test_the_secret_is_in_a_file_that_only_its_owner_reads(node: spark.Node) -> None:
    path = spark.write_properties(node, "geheim")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "spark.authenticate.secret geheim\n" in path.read_text()
    for command in COMMANDS:
        assert not any("geheim" in word for word in command(node))


def test_every_process_authenticates_and_no_page_is_open(node: spark.Node) -> None:
    found = spark.properties(node, "geheim")
    assert found["spark.authenticate"] == found["spark.network.crypto.enabled"] == "true"
    assert found["spark.ui.enabled"] == found["spark.master.rest.enabled"] == "false"
    assert found["spark.ui.filters"] == "org.apache.spark.ui.JWSFilter"
    assert "geheim" not in found["spark.org.apache.spark.ui.JWSFilter.param.secretKey"]


def test_only_the_connect_server_is_given_the_token_and_nobody_our_environment(node: spark.Node) -> None:
    ours = {"PATH": "/bin", "JAVA_HOME": "/java", "AWS_SECRET_ACCESS_KEY": "k", VARIABLE: "token"}
    worker = spark.environment(node, inherited=ours)
    assert VARIABLE not in worker
    assert "AWS_SECRET_ACCESS_KEY" not in worker
    assert (worker["PATH"], worker["SPARK_LOCAL_IP"]) == ("/bin", "worker-1")
    assert spark.environment(node, "token", ours) == {**worker, VARIABLE: "token"}
