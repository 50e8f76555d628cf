#!/usr/bin/env python3
"""A Debian machine under qemu's software emulation, driven over a serial port.

Used as a library by the smoke test, and as a program:

    machine.py run [--directory DIR] [--disk SOURCE_DIR] -- COMMAND...

boots the machine that `build` made, mounts a disk made of SOURCE_DIR at /mnt read-only, runs the command and exits with its
exit code. The machine's own disk is thrown away afterwards.
"""

import argparse
import base64
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time


class MachineError(Exception):
    """The machine did not do what it should; the message says what was expected and what was found."""


class Machine:
    def __init__(self, directory, disk=None, memory_mb=1536, cpus=2, boot_timeout=600):
        self.directory = directory
        self.disk = disk
        self.memory_mb = memory_mb
        self.cpus = cpus
        self.boot_timeout = boot_timeout
        self.deadline = None
        self._next = 0
        self._buffer = b""
        self._process = None

    def __enter__(self):
        self._work = tempfile.TemporaryDirectory(prefix="swiftlet-machine-")
        try:
            self._boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._work.cleanup()

    @property
    def console(self):
        """What the kernel and systemd have written."""
        with open(os.path.join(self._work.name, "console"), "rb") as file:
            return file.read().decode(errors="replace")

    def _boot(self):
        work = self._work.name
        control = os.path.join(work, "control")
        command = [
            # Even if this program is killed, the machine does not outlive it.
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(self.cpus), "-m", str(self.memory_mb),
            "-nographic", "-no-reboot", "-nodefaults", "-display", "none",
            "-kernel", f"{self.directory}/vmlinuz", "-initrd", f"{self.directory}/initrd",
            # no_timer_check: Linux gives a timer 10 ms to tick at boot, and an emulated one on a busy machine may not.
            "-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no panic=-1 no_timer_check mitigations=off nowatchdog",
            "-drive", f"file={self.directory}/root.ext4,if=virtio,format=raw,snapshot=on",
            "-serial", f"file:{work}/console",
            "-chardev", f"socket,id=control,path={control},server=on,wait=off", "-serial", "chardev:control",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        ]
        if self.disk:
            image = os.path.join(work, "disk.ext4")
            size = sum(os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(self.disk) for name in names)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "disk", "-d", self.disk, image, f"{size // 1024 * 5 // 4 + 16384}k"], check=True, stdout=subprocess.DEVNULL)
            command += ["-drive", f"file={image},if=virtio,format=raw,readonly=on"]
        start = time.monotonic()
        # TMPDIR: where qemu keeps what the machine writes to its disk.
        self._process = subprocess.Popen(command, env={**os.environ, "TMPDIR": work}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._connection = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._connection.connect(control)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None:
                    raise MachineError(f"qemu ended: {self._process.stderr.read().decode()}")
                time.sleep(0.05)
        line = self._line(start + self.boot_timeout)
        while not line.startswith("ready "):
            line = self._line(start + self.boot_timeout)
        self.kernel = line.split()[1]
        self.boot_seconds = time.monotonic() - start
        if self.disk:
            self.check("mount -o ro /dev/vdb /mnt")

    def _line(self, deadline):
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise MachineError("expected an answer of the machine in time, found none; the console's end:\n" + self.console[-2000:])
            self._connection.settimeout(left)
            try:
                data = self._connection.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise MachineError("expected an answer, found that the machine went down; the console's end:\n" + self.console[-2000:])
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def run(self, command, timeout=300):
        """Runs a shell command; (exit code, output and errors). One that takes too long is ended: the shell stays usable."""
        if self.deadline is not None:
            timeout = min(timeout, self.deadline - time.monotonic())
            if timeout < 1:
                raise MachineError(f"expected to be done by now, found that `{command}` was still to be run")
        # The shell takes a process for each line of output: in one piece, it costs one.
        command = (f"timeout -k 10 {timeout:.0f} /bin/bash -c {shlex.quote(command)} >/run/machine-answer 2>&1; code=$?; "
                   "base64 -w 4000 /run/machine-answer; exit $code")
        self._next += 1
        mark = f"c{self._next}"
        self._connection.settimeout(30)
        self._connection.sendall(f"{mark} {base64.b64encode(command.encode()).decode()}\n".encode())
        end = time.monotonic() + timeout
        output = []
        while True:
            words = self._line(end + 60).split(" ", 2)
            if words[0] != mark:
                continue
            if words[1] == "exit":
                answer = base64.b64decode(b"".join(output)).decode(errors="replace")
                if int(words[2]) in (124, 137) and time.monotonic() >= end:
                    answer += f"(ended after {timeout:.0f} s)\n"
                return int(words[2]), answer
            output.append(base64.b64decode(words[2] if len(words) > 2 else ""))

    def check(self, command, timeout=300):
        """As run, but an exit code other than 0 is an error."""
        code, output = self.run(command, timeout)
        if code != 0:
            raise MachineError(f"expected `{command}` to succeed, found exit code {code}:\n{output}")
        return output

    def shut_down(self, timeout=120):
        """Powers off as an administrator would."""
        self.run("systemctl --no-block poweroff")
        self._process.wait(timeout)


def end_on_signals():
    """Lets SIGTERM and SIGHUP unwind, so that the machine and its files go away."""
    def handler(number, _):
        sys.exit(f"ended by {signal.Signals(number).name}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def default_directory():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "swiftlet", "machine")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="verb", required=True)
    run = commands.add_parser("run", help="boot, run one command, throw the machine away")
    run.add_argument("--directory", default=default_directory())
    run.add_argument("--disk")
    run.add_argument("--timeout", type=int, default=300, help="seconds")
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    end_on_signals()
    try:
        with Machine(arguments.directory, disk=arguments.disk) as machine:
            print(f"booted Linux {machine.kernel} in {machine.boot_seconds:.1f} s", file=sys.stderr)
            code, output = machine.run(shlex.join(arguments.command) if len(arguments.command) > 1 else arguments.command[0], arguments.timeout)
            sys.stdout.write(output)
            return code
    except MachineError as error:
        print(f"machine: {error}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main())
