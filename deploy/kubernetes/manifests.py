"""The manifests: who runs how often, as whom, and what none of them may do. Pure.

Laws
1. Every pod satisfies the Pod Security Standard "restricted": no root, no privilege, a root file system that is read
   only; /tmp is the only place to write.
2. Each worker logs in to Kafka as the role that it plays; passwords are files of a Secret, never variables.
3. There is one sink and one notifier at a time: their deployments are recreated, not rolled.
Long because each worker is listed with all that it may take.
Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from dataclasses import dataclass
from typing import Any, Literal

NAME = "burnline"
USER_ID = 10001
COLLECTOR_PORT = 8126
NUMBERS_PORT = 9464
_SCRAPERS = {"kubernetes.io/metadata.name": "monitoring"}
"""The namespace whose pods may read the pages of numbers."""
_SECRETS = "/run/secrets/burnline"
_CONFIG = {
    "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": "kafka.kafka.svc:9093",
    "BURNLINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "BURNLINE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "BURNLINE_KAFKA_CA_FILE": f"{_SECRETS}/kafka-ca.pem",
    "BURNLINE_KAFKA_REPLICATION_FACTOR": "3",
    "BURNLINE_CLICKHOUSE_URL": "https://clickhouse.clickhouse.svc:8443",
    "BURNLINE_CLICKHOUSE_USER": "writer",
    "BURNLINE_CLICKHOUSE_CA_FILE": f"{_SECRETS}/clickhouse-ca.pem",
    "BURNLINE_NOTIFIER_SECRETS_DIR": f"{_SECRETS}/routes",
}
"""What differs from place to place: change it with an overlay, or in the applied ConfigMap."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One kind of process: its role on Kafka, what it runs, how many there are and what each may take."""

    name: str
    kafka_user: str
    words: tuple[str, ...]
    replicas: int
    memory: str
    cpu: str
    kind: Literal["StatefulSet", "Deployment"]
    clickhouse: bool = False
    port: int = 0


_ORDINAL = "$(POD_INDEX)"
WORKERS = (
    Worker(
        name="rating",
        kafka_user="rating",
        words=("streams", "rating", "--instance", _ORDINAL),
        replicas=2,
        memory="1Gi",
        cpu="2",
        kind="StatefulSet",
    ),
    Worker(
        name="burn",
        kafka_user="burn",
        words=("streams", "burn", "--instance", _ORDINAL),
        replicas=2,
        memory="2Gi",
        cpu="1",
        kind="StatefulSet",
    ),
    Worker(
        name="patterns",
        kafka_user="patterns",
        words=("streams", "patterns", "--instance", _ORDINAL),
        replicas=1,
        memory="1Gi",
        cpu="1",
        kind="StatefulSet",
    ),
    Worker(
        name="sink",
        kafka_user="sink",
        words=("sinks",),
        replicas=1,
        memory="2Gi",
        cpu="1",
        kind="Deployment",
        clickhouse=True,
    ),
    Worker(
        name="notifier",
        kafka_user="notifier",
        words=("sinks.notifier",),
        replicas=1,
        memory="256Mi",
        cpu="500m",
        kind="Deployment",
    ),
    Worker(
        name="collector",
        kafka_user="emitters",
        words=(
            *("deploy", "collector", "--listen", f"0.0.0.0:{COLLECTOR_PORT}"),
            *("--tokens", f"{_SECRETS}/collector-tokens.toml"),
            *("--cert", f"{_SECRETS}/collector-cert.pem", "--key", f"{_SECRETS}/collector-key.pem"),
        ),
        replicas=2,
        memory="512Mi",
        cpu="1",
        kind="Deployment",
        port=COLLECTOR_PORT,
    ),
)


def manifests(*, image: str = f"{NAME}:latest") -> dict[str, Any]:
    """All of them as one list, for `kubectl apply -f`; the Secret `burnline` is yours to make."""
    items = [_namespace(), _config_map(), _account()]
    for worker in WORKERS:
        items.append(_workload(worker, image=image))
        if worker.kind == "StatefulSet" or worker.port:
            items.append(_service(worker))
    items += _network_policies()
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _named(name: str, *, component: str | None = None) -> dict[str, Any]:
    return {"name": name, "namespace": NAME, "labels": _labels(component)}


def _labels(component: str | None) -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME} | ({"app.kubernetes.io/component": component} if component else {})


def _namespace() -> dict[str, Any]:
    labels = _labels(None) | {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME, "labels": labels}}


def _config_map() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(NAME), "data": dict(_CONFIG)}


def _account() -> dict[str, Any]:
    """The workers ask nothing of Kubernetes, so they have no token for it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named(NAME)}
    return account | {"automountServiceAccountToken": False}


def _workload(worker: Worker, *, image: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "replicas": worker.replicas,
        "selector": {"matchLabels": _labels(worker.name)},
        "template": {"metadata": _pod_metadata(worker), "spec": _pod(worker, image=image)},
    }
    if worker.kind == "StatefulSet":
        spec |= {"serviceName": worker.name, "podManagementPolicy": "Parallel"}
    elif worker.replicas == 1:
        spec["strategy"] = {"type": "Recreate"}
    metadata = _named(worker.name, component=worker.name)
    return {"apiVersion": "apps/v1", "kind": worker.kind, "metadata": metadata, "spec": spec}


def _pod_metadata(worker: Worker) -> dict[str, Any]:
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(NUMBERS_PORT)}
    return {"labels": _labels(worker.name), "annotations": scraped}


def _pod(worker: Worker, *, image: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": worker.name,
        "image": image,
        "args": list(worker.words),
        "envFrom": [{"configMapRef": {"name": NAME}}],
        "env": _environment(worker),
        "ports": [{"name": "metrics", "containerPort": NUMBERS_PORT}],
        "resources": {
            "requests": {"cpu": "100m", "memory": worker.memory},
            "limits": {"cpu": worker.cpu, "memory": worker.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the pod's own, and the only place to write
            {"name": "secrets", "mountPath": _SECRETS, "readOnly": True},
        ],
    }
    if worker.port:
        container["ports"].append({"name": "https", "containerPort": worker.port})
        container["readinessProbe"] = {"httpGet": {"path": "/health", "port": "https", "scheme": "HTTPS"}}
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 90,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            {"name": "secrets", "secret": {"secretName": NAME, "defaultMode": 0o440}},
        ],
    }


def _environment(worker: Worker) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "BURNLINE_KAFKA_SASL_USERNAME", "value": worker.kafka_user},
        {"name": "BURNLINE_KAFKA_SASL_PASSWORD_FILE", "value": f"{_SECRETS}/kafka-{worker.kafka_user}"},
    ]
    if worker.clickhouse:
        found.append({"name": "BURNLINE_CLICKHOUSE_PASSWORD_FILE", "value": f"{_SECRETS}/clickhouse-writer"})
    found.append({"name": "BURNLINE_METRICS_PORT", "value": str(NUMBERS_PORT)})
    found.append({"name": "BURNLINE_METRICS_HOST", "value": "0.0.0.0"})  # noqa: S104  a policy says who reaches it
    if worker.kind == "StatefulSet":  # the seat of a static member: it keeps its partitions over a restart
        ordinal = {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}
        found.append({"name": "POD_INDEX", "valueFrom": ordinal})
    return found


def _service(worker: Worker) -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": _labels(worker.name)}
    spec |= {"ports": [{"name": "https", "port": 443, "targetPort": "https"}]} if worker.port else {"clusterIP": "None"}
    metadata = _named(worker.name, component=worker.name)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _network_policies() -> list[dict[str, Any]]:
    """Nobody reaches a worker, but whoever may reach the collector's port, and Prometheus the pages of numbers."""
    page = {"from": [{"namespaceSelector": {"matchLabels": _SCRAPERS}}], "ports": [{"port": NUMBERS_PORT}]}
    door = {"ports": [{"port": COLLECTOR_PORT, "protocol": "TCP"}]}
    return [
        _policy("closed", {"podSelector": {}, "policyTypes": ["Ingress"]}),
        _policy("metrics", {"podSelector": {}, "ingress": [page]}),
        _policy("collector", {"podSelector": {"matchLabels": _labels("collector")}, "ingress": [door]}),
    ]


def _policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _named(name), "spec": spec}
