"""`n2c run`: serve the app, from any folder."""

from __future__ import annotations

import os
import re
import socket
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.commands.arguments import CommandError, parser, whole

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = """
n2c run
n2c run --port 8600 --server.address 127.0.0.1
N2C_LIBRARY=train.npz n2c run
"""


def variable(option: str) -> str:
    """The environment variable that Streamlit reads for an option: `server.maxUploadSize` -> `STREAMLIT_SERVER_MAX_UPLOAD_SIZE`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", option.replace(".", "_"))
    return "STREAMLIT_" + re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).upper()


def _options(table: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _options(value, f"{prefix}{name}.")
        else:
            values = value if isinstance(value, list) else [value]
            yield prefix + name, " ".join(str(part).lower() if isinstance(part, bool) else str(part) for part in values)


def settings(folder: Path) -> dict[str, str]:
    """Streamlit's settings in a folder's own `.streamlit/config.toml`, as environment variables: these win over the app's settings
    (the file beside `app.py`), as variables that are set already and options on the command line win over them.
    Raises CommandError for a file that is not TOML.
    """
    path = folder / ".streamlit" / "config.toml"
    if not path.is_file() or path.resolve() == (ROOT / ".streamlit" / "config.toml").resolve():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    return {variable(option): value for option, value in _options(table)}


def check_free(port: int) -> None:
    """Raises CommandError when another program listens on the port, or it may not be opened."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except PermissionError:
            raise CommandError(f"port {port} may not be opened; ports from 1024 on are free for everybody") from None
        except OSError:
            raise CommandError(f"port {port} is in use; stop the program that uses it, or give another with --port") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Become a Streamlit server; returns only when it cannot."""
    words = "Serve the app; further options are handed to `streamlit run`. Without --port: 8501, or the next that is free."
    command = parser("run", words, EXAMPLE)
    command.add_argument("--port", "--server.port", type=whole(1, 65535), metavar="N", help="port to serve at")
    given, options = command.parse_known_args(arguments)
    if options and not options[0].startswith("-"):
        command.error(f"{options[0]!r} is not an option")
    if given.port:
        check_free(given.port)
        options = ["--server.port", str(given.port), *options]
    os.environ.update(settings(Path.cwd()) | os.environ)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "streamlit", "run", str(ROOT / "app.py"), *options])
