#!/usr/bin/env python3
"""A Debian machine under qemu's software emulation, driven over a serial port.

Used as a library by the smoke test, and as a program:

    machine.py run [--directory DIR] [--disk SOURCE_DIR] -- COMMAND...

boots the machine that `build` made, mounts a disk made of SOURCE_DIR at /mnt read-only, runs the command, prints what it
prints and exits with its exit code. The machine's own disk is thrown away afterwards.
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

# A command that prints nothing for so long hangs, and one that takes so long in all goes round in circles (s). How long one
# takes says little: the machine is emulated, and what else the host does is not ours.
SILENCE = 300
LIMIT = 1800


class MachineError(Exception):
    """The machine did not do what it should; the message says what was expected and what was found."""


class Machine:
    def __init__(self, directory, disk=None, memory_mb=1536, cpus=2, logs=None):
        """logs: a directory for `console`, what the kernel and systemd write, and `transcript`, every command and its output."""
        self.directory = directory
        self.disk = disk
        self.memory_mb = memory_mb
        self.cpus = cpus
        self.logs = logs
        self._next = 0
        self._waited = 0.0
        self._buffer = b""
        self._process = None
        self._connection = None
        self._transcript = None

    def __enter__(self):
        self._work = tempfile.TemporaryDirectory(prefix="swiftlet-machine-")
        self.logs = self.logs or self._work.name
        try:
            os.makedirs(self.logs, exist_ok=True)
            self._transcript = open(os.path.join(self.logs, "transcript"), "w", buffering=1)
            self._boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for file in (self._connection, self._transcript):
            if file:
                file.close()
        self._work.cleanup()

    @property
    def processor_seconds(self):
        """What the machine has cost its host so far. Unlike time, it hardly depends on what else the host does."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _command(self, control):
        command = [
            # Even if this program is killed, the machine does not outlive it.
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi",
            # Not "max": what a newer processor adds, emulated, makes every program a third slower.
            "-cpu", "Nehalem", "-smp", str(self.cpus), "-m", str(self.memory_mb),
            "-nographic", "-no-reboot", "-nodefaults", "-display", "none",
            "-kernel", f"{self.directory}/vmlinuz", "-initrd", f"{self.directory}/initrd",
            # no_timer_check: Linux gives a timer 10 ms to tick at boot, and an emulated one on a busy machine may not.
            "-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=auto panic=-1 no_timer_check mitigations=off nowatchdog",
            "-drive", f"file={self.directory}/root.ext4,if=virtio,format=raw,snapshot=on",
            "-serial", f"file:{self.logs}/console",
            "-chardev", f"socket,id=control,path={control},server=on,wait=off", "-serial", "chardev:control",
            "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        ]
        if self.disk:
            image = os.path.join(self._work.name, "disk.ext4")
            size = sum(os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(self.disk) for name in names)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "disk", "-d", self.disk, image, f"{size // 1024 * 5 // 4 + 16384}k"], check=True, stdout=subprocess.DEVNULL)
            command += ["-drive", f"file={image},if=virtio,format=raw,readonly=on"]
        return command

    def _boot(self):
        control = os.path.join(self._work.name, "control")
        command = self._command(control)
        start = time.monotonic()
        # TMPDIR: where qemu keeps what the machine writes to its disk.
        self._process = subprocess.Popen(command, env={**os.environ, "TMPDIR": self._work.name}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._connection = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._connection.connect(control)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None:
                    raise MachineError(f"qemu ended: {self._process.stderr.read().decode()}")
                time.sleep(0.05)
        # Nothing is printed in between: the kernel is told to be quiet.
        try:
            line = self._line("boot", self._waited + 2 * SILENCE)
            while not line.startswith("ready "):
                line = self._line("boot", self._waited + 2 * SILENCE)
        except TimeoutError as error:
            raise MachineError(str(error)) from error
        self.kernel = line.split()[1]
        self.boot_seconds = time.monotonic() - start
        if self.disk:
            self.check("mount -o ro /dev/vdb /mnt")

    def _console_end(self):
        with open(os.path.join(self.logs, "console"), "rb") as file:
            return "the console's end:\n" + file.read().decode(errors="replace")[-2000:]

    def _line(self, what, deadline):
        """The next line from the machine; TimeoutError when that much has been waited.

        What is waited is counted second by second: a host that sleeps, or stops its processes, stops this clock as well.
        """
        while b"\n" not in self._buffer:
            if self._waited >= deadline:
                raise TimeoutError(f"expected `{what}` to go on, found nothing printed in time; {self._console_end()}")
            start = time.monotonic()
            self._connection.settimeout(1)
            try:
                data = self._connection.recv(65536)
            except TimeoutError:
                continue
            finally:
                self._waited += min(time.monotonic() - start, 2)
            if not data:
                raise MachineError(f"expected an answer to `{what}`, found that the machine went down; {self._console_end()}")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def _send(self, text):
        self._connection.settimeout(30)
        self._connection.sendall(text.encode() + b"\n")

    def run(self, command, silence=SILENCE, limit=LIMIT, each=None):
        """Runs a shell command; (exit code, output and errors).

        It may take any time up to `limit` as long as it prints a line every `silence` seconds; otherwise it is ended, so
        that the shell stays usable, and that is an error. `each` is called with every line.
        """
        self._next += 1
        mark = f"c{self._next}"
        start, end = time.monotonic(), self._waited + limit
        print(f"\n$ {command}", file=self._transcript)
        self._send(f"{mark} {base64.b64encode(command.encode()).decode()}")
        output = []
        while True:
            try:
                line = self._line(command, min(self._waited + silence, end))
            except TimeoutError as error:
                self._send(f"{mark} stop")
                raise MachineError(f"expected `{command}` to print something every {silence} s and to end within {limit} s, found neither; its last lines:\n"
                                   + "\n".join(output[-20:])) from error
            found, kind, *rest = (line + " ").split(" ", 2)
            if found != mark:
                continue
            if kind == "exit":
                code = int(rest[0])
                print(f"[exit code {code} after {time.monotonic() - start:.1f} s]", file=self._transcript)
                return code, "".join(line + "\n" for line in output)
            text = rest[0][:-1] if rest else ""
            print(text, file=self._transcript)
            output.append(text)
            if each:
                each(text)

    def check(self, command, **limits):
        """As run, but an exit code other than 0 is an error."""
        code, output = self.run(command, **limits)
        if code != 0:
            raise MachineError(f"expected `{command}` to succeed, found exit code {code}:\n{output[-4000:]}")
        return output


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
    run.add_argument("--timeout", type=int, default=LIMIT, help="seconds")
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    end_on_signals()
    try:
        with Machine(arguments.directory, disk=arguments.disk) as machine:
            print(f"booted Linux {machine.kernel} in {machine.boot_seconds:.1f} s ({machine.processor_seconds:.1f} s of processor)", file=sys.stderr)
            command = shlex.join(arguments.command) if len(arguments.command) > 1 else arguments.command[0]
            code, _ = machine.run(command, silence=arguments.timeout, limit=arguments.timeout, each=lambda line: print(line, flush=True))
            return code
    except MachineError as error:
        print(f"machine: {error}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main())
