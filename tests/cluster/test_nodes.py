from pathlib import Path

import pytest

from tests.cluster import nodes


@pytest.mark.skipif(not nodes.APART, reason="this machine forbids namespaces")
def test_a_node_sees_nothing_of_the_checkout_and_no_package(hadoop):
    for node in hadoop.nodes:
        seen = node.run(["ls", "-A", Path.cwd()])
        assert seen.stdout == ""
        missing = node.run([nodes.PYTHON, "-c", "import numpy"], "yarn")
        assert "No module named 'numpy'" in missing.stderr
        assert node.run(["uname", "-n"]).stdout.strip() == node.name
        assert (
            "unreachable"
            in node.run([nodes.PYTHON, "-c", "import socket; socket.create_connection(('192.0.2.1', 80), 5)"]).stderr
        )


def test_hdfs_keeps_strangers_out(hadoop):
    with pytest.raises(RuntimeError, match="Permission denied: user=stranger"):
        hadoop.hdfs("-touchz /user/hadoop/touched", user="stranger")
    hadoop.hdfs("-touchz /user/hadoop/touched")
    assert "/user/hadoop/touched" in hadoop.hdfs("-ls /user/hadoop")
