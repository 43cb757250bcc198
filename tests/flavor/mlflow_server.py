"""A real MLflow server as a company runs it: PostgreSQL, proxied artifacts, basic auth."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.programs import wait_until_up

ADMIN = "admin"
PASSWORD = "a password of twelve or more"


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them out of the search path."""
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def run_postgres(programs: Path) -> Iterator[str]:
    """Runs a database on a free loopback port; gives its SQLAlchemy URI."""
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="fnet-postgres-"))
    if user:
        shutil.chown(folder, user)
    port = free_port()
    data = folder / "data"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    init = [programs / "initdb", "-D", data, "-U", "mlflow", "-A", "trust"]
    control = [programs / "pg_ctl", "-D", data, "-w"]
    with (folder / "log").open("w") as log:
        subprocess.run(init, user=user, cwd=folder, stdout=log, check=True)
        subprocess.run(
            [*control, "-o", options, "start"], user=user, cwd=folder, stdout=log, check=True
        )
        try:
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"], user=user, cwd=folder, stdout=log, check=True
            )
            shutil.rmtree(folder)


@dataclass
class MlflowServer:
    """A server that can be killed and started again.

    Attributes:
        database: SQLAlchemy URI of its database.
        folder: Where it keeps artifacts and its log.
        auth: Whether it asks who calls.
        port: Where it listens.
    """

    database: str
    folder: Path
    auth: bool = True
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        auth = self.folder / "auth.ini"
        auth.write_text(
            "[mlflow]\n"
            "default_permission = READ\n"
            f"database_uri = {self.database}\n"
            f"admin_username = {ADMIN}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        command = [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", self.database),
            *("--artifacts-destination", str(self.artifacts)),
            *(("--app-name", "basic-auth") if self.auth else ()),
        ]
        environment = os.environ | {
            "MLFLOW_AUTH_CONFIG_PATH": str(auth),
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret of this test",
        }
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME"):
            environment.pop(name, None)
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_up(f"{self.uri}/health", self.process, self.folder / "log")

    def kill(self) -> None:
        """Kills the server and its workers at once, as a lost machine would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
