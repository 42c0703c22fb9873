"""What runs elsewhere is shut there, too: no root, nothing to write to, each worker with its role's rights alone."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.kubernetes.manifests import WORKERS, manifests
from deploy.topics_plan import plan
from schemas.connection import ClickHouseSettings, KafkaSettings

ROOT = Path(__file__).parents[2]
ITEMS = manifests(image="registry.example/burnline:1")["items"]
WORKLOADS = {item["metadata"]["name"]: item for item in ITEMS if item["kind"] in {"StatefulSet", "Deployment"}}
workloads = pytest.mark.parametrize("item", WORKLOADS.values(), ids=WORKLOADS)


def pod_of(item: dict[str, Any]) -> dict[str, Any]:
    """The pod of a workload."""
    return dict(item["spec"]["template"]["spec"])


@workloads
def test_no_pod_is_root_or_writes_elsewhere_than_tmp(item: dict[str, Any]) -> None:
    """The Pod Security Standard "restricted", and a root file system that is read only."""
    pod = pod_of(item)
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["/tmp"]  # noqa: S108  the pod's
    assert pod["automountServiceAccountToken"] is False
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


@workloads
def test_no_password_stands_in_a_variable(item: dict[str, Any]) -> None:
    """Files only; each worker has its own role's, and settings are settings that exist."""
    [container] = pod_of(item)["containers"]
    named = {one["name"]: one.get("value", "") for one in container["env"]}
    user = named["BURNLINE_KAFKA_SASL_USERNAME"]
    assert named["BURNLINE_KAFKA_SASL_PASSWORD_FILE"] == f"/run/secrets/burnline/kafka-{user}"
    roles = {right.role for right in plan(topic_prefix="", group_prefix="b-", replication_factor=3).rights}
    assert user in roles
    [config] = [one["data"] for one in ITEMS if one["kind"] == "ConfigMap"]
    known = {f"BURNLINE_KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
    known |= {f"BURNLINE_CLICKHOUSE_{name.upper()}" for name in ClickHouseSettings.model_fields}
    assert {name for name in {**config, **named} if name.startswith(("BURNLINE_KAFKA", "BURNLINE_CLICK"))} <= known


def test_there_is_one_sink_and_one_notifier() -> None:
    """One writer of the ledger: the next is started when the last has gone."""
    for name in ("sink", "notifier"):
        spec = WORKLOADS[name]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_workers_keep_their_seats() -> None:
    """Rating and burn are told which of them they are by their place in the set."""
    for worker in WORKERS:
        if worker.kind == "StatefulSet":
            [container] = pod_of(WORKLOADS[worker.name])["containers"]
            assert container["args"][-2:] == ["--instance", "$(POD_INDEX)"]
            assert "POD_INDEX" in {one["name"] for one in container["env"]}


def test_the_manifests_are_those_that_were_checked() -> None:
    """Kubernetes' own schemas were held against exactly these; after a change: make manifests."""
    printed = f"{json.dumps(manifests(), indent=2)}\n".encode()
    seal = (ROOT / "deploy" / "kubernetes" / "checked.txt").read_text()
    assert seal == f"{hashlib.sha256(printed).hexdigest()}  Kubernetes 1.33\n"


def test_the_image_is_nobodys_root() -> None:
    """It runs as a number, from locked packages with hashes, and every room is in it."""
    text = (ROOT / "deploy" / "images" / "Dockerfile").read_text()
    assert re.findall(r"^USER (\d+):(\d+)$", text, flags=re.MULTILINE) == [("10001", "10001")]
    assert "--require-hashes" in text
    assert set(re.findall(r"^COPY (\w+) /srv", text, flags=re.MULTILINE)) == {
        "schemas", "producers", "streams", "sinks", "deploy",
    }  # fmt: skip


def test_only_prometheus_reads_the_pages_of_numbers() -> None:
    """Each worker has a page; one policy lets the namespace of Prometheus reach its port."""
    paged = {name for name, item in WORKLOADS.items() if "annotations" in item["spec"]["template"]["metadata"]}
    assert paged == {worker.name for worker in WORKERS}
    for name in paged:
        [container] = pod_of(WORKLOADS[name])["containers"]
        named = {one["name"]: one.get("value") for one in container["env"]}
        [port] = [one for one in container["ports"] if one["name"] == "metrics"]
        assert named["BURNLINE_METRICS_PORT"] == str(port["containerPort"])
    [policy] = [item["spec"] for item in ITEMS if item["metadata"]["name"] == "metrics"]
    [rule] = policy["ingress"]
    assert (len(rule["from"]), len(rule["ports"])) == (1, 1)
