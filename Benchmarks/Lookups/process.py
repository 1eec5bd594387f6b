"""Server processes of a run: their log, processor time and memory."""

import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """What failed, and where to look."""


class Server:
    """A server process, from its start until `end`. Its output goes to a file.

    Limits: `end` sends SIGTERM, and SIGKILL after 10 seconds.
    """

    def __init__(self, command: list, log: pathlib.Path, *, cpu: int | None = None, environment: dict | None = None):
        pinned = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
        self.log = log
        self.started = time.monotonic()
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [*pinned, *map(str, command)], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def wait_for_port(self, port: int, *, address: str = "127.0.0.1", seconds: float = 30):
        """Returns when the server accepts TCP connections."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection((address, port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise BenchError(f"{self.process.args[0]} does not listen on port {port}: {self.last_lines()}")

    def last_lines(self) -> str:
        return self.log.read_text(errors="replace")[-500:].strip()

    def processor_time(self) -> float:
        """Seconds of user and system time, of all threads. The resolution is 10 ms."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> int:
        """Resident octets."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"process {self.process.pid} has ended: {self.last_lines()}")

    def settled_memory(self, *, seconds: float = 30) -> int:
        """Resident octets when they have changed by less than 1 % for 1.5 seconds."""
        deadline = time.monotonic() + seconds
        last, since = self.memory(), time.monotonic()
        while time.monotonic() < min(deadline, since + 1.5):
            time.sleep(0.1)
            now = self.memory()
            if abs(now - last) > last / 100:
                last, since = now, time.monotonic()
        return self.memory()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def raise_descriptor_limit():
    """To the hard limit, for this process and the servers that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def look_up(port: int, key: str, *, name: str = "QUERY", seconds: float = 30) -> bytes:
    """Connects, again until the server listens, and returns the reply to one lookup."""
    payload = f"{name} {key}".encode()
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise BenchError(f"no server on port {port} after {seconds} s") from None
            time.sleep(0.0005)
    with connection:
        connection.sendall(b"%d:%s," % (len(payload), payload))
        reply = connection.recv(4096)
    if not reply:
        raise BenchError(f"no reply to {key} on port {port}")
    return reply
