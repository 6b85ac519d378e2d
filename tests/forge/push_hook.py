"""The pre-receive hook of a hosted repository: asks the host whether a push may pass.

https://git-scm.com/docs/githooks#pre-receive
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

#: Where the hook asks.
HOOK = "/.pre-receive"

#: Objects of a push are kept apart until it is accepted; the host must know where.
#: https://git-scm.com/docs/git-receive-pack#_quarantine_environment
_SCRIPT = """\
#!{python} -IS
import json, os, socket, sys
names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
environment = {{name: os.environ[name] for name in names if name in os.environ}}
updates = sys.stdin.read().splitlines()
body = json.dumps({{"updates": updates, "environment": environment}}).encode()
with socket.create_connection(({host!r}, {port})) as link:
    link.sendall(b"POST {path} HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    with link.makefile("rb") as answer:
        lines = json.loads(answer.read().partition(b"\\r\\n\\r\\n")[2])
for line in lines:
    print(line, file=sys.stderr)
sys.exit(1 if lines else 0)
"""


def install(repository: Path, url: str) -> None:
    """Puts the hook into a bare repository; ``url`` is where the host listens."""
    where = urlsplit(url)
    hook = repository / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_SCRIPT.format(python=sys.executable, host=where.hostname, port=where.port, path=HOOK))
    hook.chmod(0o755)
