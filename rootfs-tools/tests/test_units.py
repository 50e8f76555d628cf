"""The systemd units: what must stand in them, and what must not."""
import configparser
import glob
import os
import subprocess
import unittest

UNITS = os.path.join(os.path.dirname(__file__), "..", "..", "systemd")

# What gives a service a mount namespace of its own (systemd.exec(5)).
MOUNT_NAMESPACE = {
    "PrivateTmp", "PrivateDevices", "PrivateMounts", "PrivateUsers", "PrivateNetwork", "ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset",
    "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectHostname", "ProtectClock", "DynamicUser",
    "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths",
    "RootDirectory", "RootImage", "MountImages", "ExtensionImages", "MountFlags", "MountAPIVFS", "NetworkNamespacePath", "JoinsNamespaceOf",
}


def unit(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    with open(os.path.join(UNITS, name)) as file:
        parser.read_file(file)
    return parser


class AgentTests(unittest.TestCase):
    def test_what_it_mounts_is_seen_by_the_next_agent(self):
        self.assertEqual(MOUNT_NAMESPACE & set(unit("swiftlet.service")["Service"]), set())

    def test_pods_outlive_it(self):
        service = unit("swiftlet.service")["Service"]
        self.assertEqual((service["KillMode"], service["Delegate"], service["Type"]), ("process", "yes", "notify"))
        # systemd removes it when the service stops.
        self.assertNotIn("RuntimeDirectory", service)

    def test_pods_are_in_the_slice(self):
        self.assertIn("--cgroup-parent swiftlet.slice/swiftlet-pods.slice ", unit("swiftlet.service")["Service"]["ExecStart"])
        self.assertIn("swiftlet-pods.slice", unit("swiftlet.service")["Unit"]["Wants"])


class ControlPlaneTests(unittest.TestCase):
    def test_it_is_confined(self):
        # In tenths: 2.5.
        run = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", os.path.join(UNITS, "swiftlet-control-plane.service")],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout[-500:] + run.stderr)

    def test_it_is_never_root(self):
        self.assertEqual(unit("swiftlet-control-plane.service")["Service"]["User"], "swiftlet")
        with open(os.path.join(UNITS, "swiftlet.sysusers")) as file:
            self.assertIn("\nu swiftlet ", file.read())


class AllTests(unittest.TestCase):
    def test_no_unit_is_started_without_being_asked_for(self):
        """Only what an operator enables is wanted at the machine's start."""
        enabled = {os.path.basename(path) for path in glob.glob(UNITS + "/*.*") if "[Install]" in open(path).read()}
        self.assertEqual(enabled, {"swiftlet.service", "swiftlet-control-plane.service"})


if __name__ == "__main__":
    unittest.main()
