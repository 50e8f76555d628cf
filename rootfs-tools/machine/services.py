"""The package's services: what systemd starts, watches and stops."""

from lane import KUBECTL, Lane, expect


class Services(Lane):
    def run(self):
        self.step("services: start, node Ready", self.start)
        state = self.step("services: a pod in the slice", self.pod)
        self.step("services: restart the agent, reload systemd, same processes", lambda: self.restart_agent(state))
        self.step("services: restart the control plane, same processes", lambda: self.restart_control_plane(state))
        self.step("services: the watchdog ends an agent that is stuck, same processes", lambda: self.watchdog(state))
        self.step("services: stop, the pod runs on, reset", lambda: self.stop(state))

    def start(self):
        """systemctl comes back when the services say that they are ready: nothing else is waited for."""
        self.machine.check("systemctl enable --now swiftlet-control-plane swiftlet")
        self.kubectl("get --raw /readyz")
        status = self.machine.check("systemctl show -P StatusText swiftlet-control-plane swiftlet").split("\n")
        expect("the API is served on port 6443" in status and "the node's pods are managed" in status, f"expected the services to say what they do, found {status}")
        users = sorted(self.machine.check("ps -o user= -C swiftlet").split())
        expect(users == ["root", "swiftlet"], f"expected the agent to run as root and the control plane as swiftlet, found {users}")
        # In tenths.
        self.machine.check("systemd-analyze security --no-pager --threshold=25 swiftlet-control-plane")
        self.until("the node to be Ready", f"{KUBECTL} wait --for=condition=Ready node --all --timeout=60s")

    def pod(self):
        self.kubectl("apply -f /mnt/stranger.yaml")
        self.until("the pod to be Ready", f"{KUBECTL} wait --for=condition=Ready pod/stranger --timeout=60s")
        self.limit()
        state = self.state(1)
        # The agent is the last that the kernel would end for want of memory. Its pods are not.
        score = int(self.machine.check(f"cat /proc/{state[1][0].split()[0]}/oom_score_adj"))
        expect(score > 0, f"expected the kernel to end the pod before the agent, found oom_score_adj {score}")
        return state

    def limit(self):
        """systemd owns the slice, and could take its controllers away."""
        limits = self.machine.check("cd /sys/fs/cgroup/swiftlet.slice/swiftlet-pods.slice && find kubepods -name memory.max -exec cat {} + | sort -u").split()
        expect("67108864" in limits, f"expected the container's memory limit in the slice of pods, found {limits}")

    def restart_agent(self, state):
        # Shorter than the package's, so that the next step need not wait for it.
        self.machine.check("""set -e
mkdir -p /run/systemd/system/swiftlet.service.d
printf '[Service]\\nWatchdogSec=30s\\n' >/run/systemd/system/swiftlet.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart swiftlet""")
        self.limit()
        # By way of the new agent.
        self.kubectl("exec stranger -- true")
        self.same(state)

    def restart_control_plane(self, state):
        self.machine.check("systemctl restart swiftlet-control-plane")
        self.same(state)

    def watchdog(self, state):
        self.machine.check("systemctl kill -s STOP --kill-whom=main swiftlet")
        self.machine.check("until [ $(systemctl show -P NRestarts swiftlet) -gt 0 ]; do sleep 5; done")
        self.machine.check("until systemctl is-active -q swiftlet; do sleep 1; done")
        result = self.machine.check("journalctl -u swiftlet -o cat --no-pager | grep -i watchdog")
        expect("atchdog timeout" in result, f"expected systemd to say that the watchdog heard nothing, found {result!r}")
        self.kubectl("exec stranger -- true")
        self.same(state)

    def stop(self, state):
        self.machine.check("systemctl stop swiftlet swiftlet-control-plane")
        self.until_gone()
        expect(self.processes() == state[1], "expected the pod to run on without the services, found its process gone")
        self.reset()
