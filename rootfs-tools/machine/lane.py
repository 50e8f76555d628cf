"""What the tests on a machine share: steps, kubectl, what is to be looked at and compared."""

import glob
import os
import shutil
import time

from machine import MachineError

KUBECTL = "/mnt/kubectl --kubeconfig /var/lib/swiftlet/admin.kubeconfig --cache-dir /run/machine-kubectl"

# What a node could leave behind. systemd makes and removes cgroups of its own units, and files in its directories, all the
# time: those are left out, as are kernel modules, which nobody can tell the last user of.
SNAPSHOT = r"""
awk '{print "mount", $5}' /proc/self/mountinfo | sort
ip -o link | sed 's/^[0-9]*: \([^:@]*\).*<.*>\(.*\)/link \1\2/' | sort
ip -o addr | awk '{print "address", $2, $4}' | sort
ip route show table all | sed 's/^/route /' | sort
ip -6 route show table all | sed 's/^/route6 /' | sort
ip rule | sed 's/^/rule /'
ip neigh | sed 's/^/neighbour /' | sort
nft list ruleset | sed 's/^/nft /'
find /sys/fs/cgroup -type d | grep -v '\.\(service\|slice\|scope\|mount\|socket\|swap\)' | sed 's/^/cgroup /' | sort
ls /run/netns 2>/dev/null | sed 's/^/namespace /'
sysctl -a 2>/dev/null | grep -E '^(net\.(ipv4|ipv6|netfilter|bridge)|kernel\.(core|pid_max|panic|keys)|vm\.(overcommit|panic)|fs\.inotify)' | grep -v 'nf_conntrack_\(count\|buckets\)\|\(addrconf\|stable_secret\)' | sed 's/^/setting /' | sort
ps -e -o ppid=,comm= | awk '$1 != 2 {print "process", $2}' | grep -v ' \(ps\|awk\|grep\|sed\|sort\|bash\|setsid\|stdbuf\|(udev-worker)\|systemd-udevd\|(.*)\)$' | sort | uniq -c
cut -d: -f1 /etc/passwd /etc/group | sed 's/^/user /' | sort
find /etc /home /opt /root /run /srv /tmp /usr/bin /usr/lib/systemd /usr/local /usr/share/bash-completion /var -xdev | grep -v '^/run/\(systemd\|udev\|log\|machine-\)\|^/var/log/journal\|^/var/lib/systemd\|^/var/tmp/systemd\|^/tmp/systemd' | sed 's/^/file /' | sort
"""


def kubectl_program():
    """The program itself. Google's SDK installs a dispatcher that picks one of the versions next to it: here, the newest."""
    found = shutil.which("kubectl")
    versions = glob.glob(glob.escape(os.path.realpath(found)) + ".1.[0-9][0-9]") if found else []
    return max(versions, default=found)


def expect(condition, message):
    if not condition:
        raise MachineError(message)


def compare(before, after):
    left = sorted(set(after.splitlines()) - set(before.splitlines()))
    lost = sorted(set(before.splitlines()) - set(after.splitlines()))
    expect(len(before.splitlines()) > 100, f"expected to have taken stock, found\n{before}")
    expect(not left and not lost, "expected the host as it was, found\n" + "\n".join(["+ " + line for line in left] + ["- " + line for line in lost]))


class Lane:
    """Steps on a machine where the unit `unit` runs the agent."""

    unit = "swiftlet"

    def __init__(self, machine):
        self.machine = machine

    def step(self, name, body):
        start, processor = time.monotonic(), self.machine.processor_seconds
        result = body()
        print(f"ok  {name} ({time.monotonic() - start:.1f} s, {self.machine.processor_seconds - processor:.1f} s of processor)", flush=True)
        return result

    def kubectl(self, command):
        return self.machine.check(f"{KUBECTL} {command}")

    def until(self, what, command):
        """Runs a command in the machine until it succeeds, as long as the agent lives."""
        code, output = self.machine.run(f"until {command}; do systemctl is-active -q {self.unit} || exit 1; sleep 1; done", limit=900)
        expect(code == 0, f"expected {what}, found\n{output[-2000:]}")

    def served_after(self, command):
        """Runs a command and follows the agent's journal until the API is served: asking again and again would take the processor from it."""
        self.machine.check(f"""since=$(date '+%F %T.%6N')
{command} || exit 1
while read -r line; do
    echo "$line"
    case $line in
    *'the API is served'*) kill $!; exit 0 ;;
    *'Main process exited'* | *'Deactivated'*) kill $!; exit 1 ;;
    esac
done < <(exec journalctl -u {self.unit} -o cat -f --since "$since")
exit 1""")

    def processes(self):
        """Pid and start time of each container's first process, as the kernel says: a shell's children come and go."""
        # Without starting a program: there are many cgroups, and each program takes a tenth of a second here.
        return self.machine.check("""shopt -s globstar nullglob
for list in /sys/fs/cgroup/**/kubepods/**/cgroup.procs; do
    first=
    while read -r process; do [ -n "$first" ] && [ "$first" -lt "$process" ] || first=$process; done <"$list"
    [ -z "$first" ] || { read -r -a stat <"/proc/$first/stat"; echo "$first ${stat[21]}"; }
done""").splitlines()

    def state(self, containers):
        """Container ids and restart counts as the API says, and the processes."""
        found = sorted(self.kubectl("""get pods -o jsonpath='{range .items[*].status.containerStatuses[*]}{.containerID} {.restartCount}{"\\n"}{end}'""").splitlines())
        processes = self.processes()
        expect(len(found) == containers and all(line.endswith(" 0") for line in found) and len(processes) == containers,
               f"expected {containers} containers that never restarted and a process of each, found {found} and {processes}")
        return found, processes

    def same(self, state):
        found = self.state(len(state[0]))
        expect(state == found, f"expected the same containers, restart counts and processes, found {state} before and {found} after")

    def until_gone(self):
        """The control plane ends with the agent: the next one finds the port free."""
        self.machine.check(f"while systemctl is-active -q {self.unit} || pgrep -x swiftlet >/dev/null; do sleep 1; done", silence=120)

    def reset(self):
        self.machine.check("swiftlet reset --yes")
