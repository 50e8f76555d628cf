#!/usr/bin/env python3
"""Measures the API and the controllers of a one-node cluster: durable writes, lists, watch latency, a rolling update. Prints one JSON object.

Runs inside a network and a mount namespace of its own (see `Benchmarks/run`), as root, on the release programs. The load comes
from wrk (Debian package), a light client in C, whose own time is not counted.
"""
import json
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time

from cluster import Cluster, pss

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
WRITE = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
wrk.body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"write-"},"data":{"value":"%s"}}'
local wrong = 0
function response(status) if status ~= 201 then wrong = wrong + 1; if wrong == 1 then print("status " .. status) end end end
"""
LIST = 'wrk.headers["Authorization"] = "Bearer %s"\n'


def token(cluster):
    """A token of an administrator, since wrk has no client certificates."""
    cluster.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "bench"}})
    cluster.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "metadata": {"name": "bench"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "bench", "namespace": "default"}]})
    answer = cluster.call("POST", "/api/v1/namespaces/default/serviceaccounts/bench/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}})
    return answer["status"]["token"]


def wrk(cluster, script, path, connections, seconds=5):
    """Answers a second."""
    connection = cluster.connection()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name, f"https://{connection.host}:{connection.port}{path}"],
                             check=True, stdout=subprocess.PIPE, text=True)
    if "Non-2xx" in run.stdout or "status " in run.stdout:
        raise SystemExit("bench: the server refused what wrk sent:\n" + run.stdout)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", run.stdout).group(1))


def watch_latency(cluster):
    """From just before a write is sent until a watcher has its event, in ms."""
    seen, connection = {}, cluster.connection()
    version = cluster.get(CONFIGMAPS + "?limit=1")["metadata"]["resourceVersion"]
    connection.request("GET", f"{CONFIGMAPS}?watch=true&resourceVersion={version}&timeoutSeconds=60")
    response = connection.getresponse()

    def read():
        for line in response:
            event = json.loads(line)
            seen[event["object"]["metadata"].get("name")] = time.monotonic()
            if len(seen) == 100:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    link, sent = cluster.connection(), {}
    for number in range(100):
        name = f"latency-{number}"
        sent[name] = time.monotonic()
        cluster.call("POST", CONFIGMAPS, {"metadata": {"name": name}}, link)
    reader.join(30)
    return [1000 * (seen[name] - sent[name]) for name in sent]


def deployment(replicas, version):
    labels = {"app": "roll"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "roll"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                    "name": "main", "image": "busybox", "env": [{"name": "VERSION", "value": version}],
                    "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]}]}}}}


def rolled_out(cluster, replicas, generation):
    while True:
        status = cluster.get("/apis/apps/v1/namespaces/default/deployments/roll")["status"]
        if (status.get("observedGeneration", 0) >= generation and status.get("replicas") == replicas
                and status.get("updatedReplicas") == replicas and status.get("availableReplicas") == replicas):
            return
        time.sleep(0.01)


def main():
    cluster = Cluster()
    cluster.up()
    result = {}
    try:
        bearer = token(cluster)
        write = WRITE % (bearer, "x" * 900)
        wrk(cluster, write, CONFIGMAPS, 1, seconds=1)
        result["durable writes of 1 KB, 1 client, per s"] = wrk(cluster, write, CONFIGMAPS, 1)
        result["durable writes of 1 KB, 50 clients, per s"] = wrk(cluster, write, CONFIGMAPS, 50)
        cluster.call("DELETE", CONFIGMAPS)
        latencies = watch_latency(cluster)
        result["write to watch event, p50 of 100, ms"] = statistics.median(latencies)
        # Pods that are bound to a node that does not exist: they are only objects.
        link = cluster.connection()
        for number in range(1000):
            cluster.call("POST", "/api/v1/namespaces/default/pods", {
                "metadata": {"name": f"listed-{number:04}"},
                "spec": {"nodeSelector": {"nowhere": "true"}, "containers": [{"name": "main", "image": "busybox"}]}}, link)
        times = []
        for _ in range(20):
            began = time.monotonic()
            link.request("GET", "/api/v1/namespaces/default/pods")
            size = len(link.getresponse().read())
            times.append(time.monotonic() - began)
        result["list 1,000 pods, p50 of 20, ms"] = statistics.median(times) * 1000
        result["list 1,000 pods, MB"] = size / 1e6
        cluster.call("DELETE", "/api/v1/namespaces/default/pods?gracePeriodSeconds=0")
        cluster.call("POST", "/apis/apps/v1/namespaces/default/deployments", deployment(20, "1"))
        rolled_out(cluster, 20, 1)
        began = time.monotonic()
        cluster.call("PUT", "/apis/apps/v1/namespaces/default/deployments/roll", deployment(20, "2"))
        rolled_out(cluster, 20, 2)
        result["rolling update of 20 replicas, s"] = time.monotonic() - began
        for kind, pids in cluster.processes().items():
            result[f"PSS with 20 pods, {kind}, MB"] = pss(pids) / 1024
    finally:
        cluster.down()
    print(json.dumps(result))


if __name__ == "__main__":
    os.environ.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    main()
