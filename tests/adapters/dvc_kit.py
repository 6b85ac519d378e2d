"""What the DVC tests share: payloads, a registry in a git repository, plain DVC, remotes to break."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gitreg.adapters.dvc.remote import open_store
from gitreg.adapters.dvc.store import DvcStore
from gitreg.core.digest import artifact_digest
from gitreg.core.ports import DvcPointer, Payload

CONFIG = """[core]
    analytics = false
    remote = storage
['remote "storage"']
    url = ../.remote
"""

#: A directory with everything that makes listings interesting: nesting, other scripts, equal content, emptiness.
TREE: Mapping[str, bytes] = {
    "weights.bin": bytes(range(256)) * 5000,
    "config/tokenizer.json": b"{}\n",
    "config/copy of tokenizer.json": b"{}\n",
    "config-v2": b"sorts before the folder's files\n",
    "売上/予測 é.txt": "売上".encode(),
    "empty": b"",
    ".hidden/.gitattributes": b"* -text\n",
}


class Bars:
    """A progress that remembers its bars; ``on_advance`` is called for each step."""

    def __init__(self, on_advance: object = None) -> None:
        self.bars: list[tuple[str, int]] = []
        self.counted: list[int] = []
        self._on_advance = on_advance

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Bars]:
        self.bars.append((label, total))
        self.counted.append(0)
        yield self

    def count(self, label: str, total: int) -> AbstractContextManager[Bars]:
        return self.task(label, total)

    def advance(self, amount: int) -> None:
        self.counted[-1] += amount
        if callable(self._on_advance):
            self._on_advance()


def write_tree(folder: Path, tree: Mapping[str, bytes] = TREE) -> Path:
    for path, content in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def make_registry(base: Path) -> Path:
    """A registry in a folder of a git repository, as ``dvc init --subdir`` and ``dvc remote add`` leave it."""
    registry = base / "repo" / "registry"
    (registry / ".dvc").mkdir(parents=True)
    (registry / ".dvc" / "config").write_text(CONFIG)
    (registry / ".gitignore").write_text("/.remote\n/.dvc/tmp\n/.dvc/cache\n")
    run("git", "init", "-q", ".", cwd=registry.parent, env=environment(base))
    return registry


def environment(base: Path) -> dict[str, str]:
    """An environment in which DVC and git know nobody and write nowhere but below ``base``."""
    home = base / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(base),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(base / "dvc-site"),
        "DVC_GLOBAL_CONFIG_DIR": str(base / "dvc-global"),
        "DVC_SYSTEM_CONFIG_DIR": str(base / "dvc-system"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def run(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(registry: Path, *arguments: str | Path) -> str:
    """Runs plain DVC in the registry; returns what it says."""
    return run(sys.executable, "-m", "dvc", *arguments, cwd=registry, env=environment(registry.parent.parent))


def open_local(remote: Path) -> DvcStore:
    """A store over a directory."""
    return open_store("", None, name=str(remote))


def object_path(remote: Path, name: str) -> Path:
    return remote / "files" / "md5" / name[:2] / name[2:]


def objects(remote: Path) -> dict[str, int]:
    """The names and sizes of whatever lies in a local remote, parts of objects included."""
    return {p.parent.name + p.name: p.stat().st_size for p in remote.rglob("*") if p.is_file()}


def put_object(remote: Path, name: str, content: bytes) -> None:
    """Puts bytes under a name, right or wrong."""
    path = object_path(remote, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def stored(store: DvcStore, path: Path) -> Payload:
    payload = store.inspect(str(path))
    store.upload(str(path), payload, Bars())
    return payload


def digest_of(payload: Payload) -> str:
    return artifact_digest(payload.files)


def nowhere(pointer: DvcPointer) -> DvcPointer:
    """A pointer of the same form to an object that nobody has."""
    suffix = ".dir" if pointer.is_directory else ""
    return DvcPointer(pointer.path, "0" * 32 + suffix, pointer.size, pointer.files)


class _Handler(BaseHTTPRequestHandler):
    def _answer(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        content = self.server.content.get(self.path)  # type: ignore[attr-defined]
        self._answer(404) if content is None else self._answer(200, length=len(content))

    def do_GET(self) -> None:
        content = self.server.content.get(self.path)  # type: ignore[attr-defined]
        self._answer(404) if content is None else self._answer(200, content)

    def do_POST(self) -> None:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.broken:  # type: ignore[attr-defined]
            return self._answer(403)
        self.server.content[self.path] = body  # type: ignore[attr-defined]
        return self._answer(201)

    def do_DELETE(self) -> None:
        del self.server.content[self.path]  # type: ignore[attr-defined]
        self._answer(204)

    def log_message(self, *_: object) -> None:
        pass


class WebRemote(ThreadingHTTPServer):
    """An HTTP server on a free port of this machine; what it holds is in ``content``, by path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content: dict[str, bytes] = {}
        self.broken = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/store"


@contextmanager
def web_remote() -> Iterator[WebRemote]:
    with WebRemote() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
