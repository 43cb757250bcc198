"""Two hosts on one machine: network namespaces on a bridge, each with a node of a Ray cluster."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "fnet-br"
PORT = 6399
RAY = Path(sys.executable).with_name("ray")


def why_unavailable() -> str | None:
    """What is missing to make namespaces here, if anything."""
    if shutil.which("ip") is None:
        return "needs iproute2"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A network namespace with an address of its own."""

    name: str
    address: str

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line that runs a program on this host."""
        return ["ip", "netns", "exec", self.name, *map(str, arguments)]

    def cut_off(self) -> None:
        """Unplug the host."""
        ip("link", "set", self.name, "down")

    def plug_in(self) -> None:
        """Plug it in again."""
        ip("link", "set", self.name, "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make the hosts; they and the bridge are gone afterwards."""
    hosts = Host(name="fnet-a", address="10.177.0.1"), Host(name="fnet-b", address="10.177.0.2")
    with ExitStack() as undo:
        ip("link", "add", BRIDGE, "type", "bridge")
        undo.callback(ip, "link", "del", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for host in hosts:
            ip("netns", "add", host.name)
            undo.callback(ip, "netns", "del", host.name)
            inside = ["-n", host.name]
            ip("link", "add", host.name, "type", "veth", "peer", "eth0", "netns", host.name)
            ip("link", "set", host.name, "master", BRIDGE, "up")
            ip(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
            ip(*inside, "link", "set", "eth0", "up")
            ip(*inside, "link", "set", "lo", "up")
        yield hosts


@contextmanager
def ray_cluster(hosts: Sequence[Host], folder: Path, *, cpus: int) -> Iterator[str]:
    """Run a Ray node on each host. Gives the cluster's address, as seen from them."""
    head = f"{hosts[0].address}:{PORT}"
    common = ["--num-cpus", str(cpus), "--object-store-memory", str(300 << 20), "--block"]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with ExitStack() as undo:
        for number, host in enumerate(hosts):
            role = ["--address", head]
            if number == 0:
                role = ["--head", "--port", str(PORT), "--include-dashboard", "false"]
                role += ["--temp-dir", str(folder)]
            log = undo.enter_context((folder / f"node-{number}.log").open("wb"))
            node = subprocess.Popen(
                host.command(RAY, "start", "--node-ip-address", host.address, *role, *common),
                stdout=log,
                stderr=log,
                env=environment,
            )
            undo.callback(_stop, node)
            time.sleep(8)
        yield head


def _stop(node: subprocess.Popen) -> None:
    node.terminate()
    try:
        node.wait(timeout=20)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()
