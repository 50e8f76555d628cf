#!/usr/bin/env python3
"""Measures a one-node cluster: start to Ready, pod create to Running, delete, memory. Prints one JSON object.

Runs inside a network and a mount namespace of its own (see `Benchmarks/run`), as root, on the release programs.
"""
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / ".build/release"
IMAGES = ROOT / ".build/images"


class Cluster:
    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="swiftlet-bench-"))
        self.home.chmod(0o755)  # the control plane runs without root and passes through
        self.directories = ["--data-dir", f"{self.home}/data", "--run-dir", f"{self.home}/run"]
        self.cgroups = ["--cgroup-parent", self.home.name]
        subprocess.run([BIN / "swiftlet", "image", "import", "--data-dir", f"{self.home}/data", IMAGES / "busybox.tar"],
                       check=True, stdout=subprocess.DEVNULL)

    def up(self):
        started = time.monotonic()
        self.log = open(self.home / "agent.log", "w")
        self.agent = subprocess.Popen([BIN / "swiftlet", "up", "--node-name", "bench", "--log-dir", f"{self.home}/log",
                                       *self.directories, *self.cgroups], stdout=self.log, stderr=self.log)
        while True:
            if self.agent.poll() is not None:
                sys.exit("the agent ended: " + (self.home / "agent.log").read_text())
            try:
                node = self.get("/api/v1/nodes/bench")
                if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"]):
                    return time.monotonic() - started
            except (OSError, KeyError, http.client.HTTPException):
                pass
            time.sleep(0.005)

    def connection(self):
        text = (self.home / "data/admin.kubeconfig").read_text()
        data = {key: base64.b64decode(re.search(rf'{key}:\s*"?([A-Za-z0-9+/=]+)', text).group(1)).decode()
                for key in ("certificate-authority-data", "client-certificate-data", "client-key-data")}
        context = ssl.create_default_context(cadata=data["certificate-authority-data"])
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
            pair.write(data["client-certificate-data"] + "\n" + data["client-key-data"])
            pair.flush()
            context.load_cert_chain(pair.name)
        server = re.search(r"server:\s*\"?https://([^:\"\s]+):(\d+)", text)
        return http.client.HTTPSConnection(server.group(1), int(server.group(2)), context=context, timeout=120)

    def call(self, method, path, body=None, connection=None):
        connection = connection or self.connection()
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = json.loads(response.read())
        if response.status >= 400:
            raise KeyError(data.get("message"))
        return data

    def get(self, path):
        return self.call("GET", path)

    def watch(self, version):
        """The time each pod was first seen Running, by name, as a watcher sees it; and when it was gone."""
        running, gone = {}, {}
        connection = self.connection()
        connection.request("GET", f"/api/v1/namespaces/default/pods?watch=true&resourceVersion={version}&timeoutSeconds=600")
        response = connection.getresponse()

        def read():
            try:
                for line in response:
                    event = json.loads(line)
                    name = event["object"]["metadata"].get("name")
                    if event["type"] == "DELETED":
                        gone[name] = time.monotonic()
                    elif event["object"]["status"].get("phase") == "Running":
                        running.setdefault(name, time.monotonic())
            except (OSError, ValueError, AttributeError, http.client.HTTPException):
                pass  # the connection was closed: the measurement is over

        threading.Thread(target=read, daemon=True).start()
        return running, gone

    def processes(self):
        """Pids of the agent, of the control plane and of the shims of this cluster."""
        found = {"agent": [], "control-plane": [], "shim": []}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            text = " ".join(line)
            if str(self.home) not in text or "swiftlet" not in line[0]:
                continue
            kind = "shim" if "shim" in line[0] else "control-plane" if "control-plane" in line else "agent"
            found[kind].append(int(entry.name))
        return found

    def down(self):
        self.agent.send_signal(signal.SIGTERM)
        self.agent.wait(60)
        subprocess.run([BIN / "swiftlet", "reset", "--yes", "--log-dir", f"{self.home}/log", *self.directories, *self.cgroups], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(self.home)


def pss(pids):
    """Kilobytes of proportional set size."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def pod(name, command="trap 'exit 0' TERM; sleep 1000000 & wait", grace=30):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": grace,
                     "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", command]}]}}


def wait_for(seen, names, seconds=120):
    deadline = time.monotonic() + seconds
    while not all(name in seen for name in names):
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting for {[n for n in names if n not in seen]}")
        time.sleep(0.0005)


def main():
    cluster = Cluster()
    result = {"start to node Ready, ms": cluster.up() * 1000}
    try:
        version = cluster.get("/api/v1/namespaces/default/pods")["metadata"]["resourceVersion"]
        running, gone = cluster.watch(version)
        link = cluster.connection()
        path = "/api/v1/namespaces/default/pods"
        time.sleep(5)
        for kind, pids in cluster.processes().items():
            if pids:
                result[f"idle PSS of the {kind}, MB"] = pss(pids) / 1024

        times = []
        for number in range(20):
            began = time.monotonic()
            cluster.call("POST", path, pod(f"one-{number}"), link)
            wait_for(running, [f"one-{number}"])
            times.append(running[f"one-{number}"] - began)
        result["pod create to Running, one at a time, p50 of 20, ms"] = statistics.median(times) * 1000
        result["pod create to Running, one at a time, slowest of 20, ms"] = max(times) * 1000

        time.sleep(3)
        before = {kind: pss(pids) for kind, pids in cluster.processes().items()}
        names = [f"many-{number}" for number in range(30)]
        began = time.monotonic()
        for name in names:
            cluster.call("POST", path, pod(name), link)
        wait_for(running, names)
        result["30 pods at once, pods/s"] = 30 / (max(running[n] for n in names) - began)
        time.sleep(3)
        after = {kind: pss(pids) for kind, pids in cluster.processes().items()}
        result["memory a pod adds, shim, MB"] = (after["shim"] - before["shim"]) / 30 / 1024
        result["memory a pod adds, agent, MB"] = (after["agent"] - before["agent"]) / 30 / 1024

        cluster.call("POST", path, pod("stubborn", "trap '' TERM; while true; do sleep 1000; done"), link)
        wait_for(running, ["stubborn"])
        began = time.monotonic()
        cluster.call("DELETE", path + "/stubborn?gracePeriodSeconds=1", connection=link)
        wait_for(gone, ["stubborn"])
        result["delete, grace 1 s ignored, s"] = gone["stubborn"] - began
        began = time.monotonic()
        for name in names:
            cluster.call("DELETE", path + f"/{name}?gracePeriodSeconds=5", connection=link)
        wait_for(gone, names)
        result["delete 30 pods at once, pods/s"] = 30 / (max(gone[n] for n in names) - began)
    finally:
        cluster.down()
    print(json.dumps(result))


if __name__ == "__main__":
    os.environ.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    main()
