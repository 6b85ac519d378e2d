"""Kills gitreg at every step at which it touches the world, and looks at what is left.

    python tests/reliability/crash_kit.py                   # every step of every story
    python tests/reliability/crash_kit.py promote-here      # of one
    python tests/reliability/crash_kit.py promote-here 17   # one step of it
    python tests/reliability/crash_kit.py team 0/3          # of all in one registry, every third of the telling steps

A story is one command in a registry of its own. It runs once undisturbed, in a process that counts its steps: each
process that it starts (git, ssh-keygen), each file that it opens for writing or has opened, each rename, link, removal,
new folder and change of mode. An audit hook sees them all, in whatever library they happen
(https://docs.python.org/3/library/audit_events.html). Then it runs again and again, each time on a fresh copy, and is
killed (SIGKILL, its whole process group) right before step 1, 2 and so on, and at last when it is about to exit. The
moment after a step needs no kill of its own: nothing happens between it and the one before the next step.

After each kill:

- ``git fsck --strict`` finds no fault with any repository, and ``gitreg validate`` none with the registry, as it is on
  its branch and as it lies in the checkout;
- the same command, run again, succeeds; and after that every ref, request, checkout, DVC object and pulled file is
  exactly what it is after an undisturbed run. The clock stands still, so that ids can be compared.

What may be left is a part of an object in the DVC remote (``.….tmp``), which nothing refers to.

The kills happen in forks of one process that has imported everything, so that each costs a fraction of a second.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # what the interpreter writes is no step of the command
sys.path.insert(0, str(Path(__file__).parent.parent))

from flow_kit import (  # noqa: E402
    NOW,
    REGISTRY,
    SOLO_POLICY,
    bytes_of,
    copy_template,
    fast_import,
    git,
    make_keys,
    make_solo,
    make_template,
    store_object,
    story,
)

from gitreg.surfaces.cli.main import run  # noqa: E402

#: git commands that change nothing that another process could see.
READING = re.compile(
    r"(?:cat-file|config|diff-files|diff-index|for-each-ref|ls-files|ls-remote|merge-base|rev-list|rev-parse"
    r"|symbolic-ref|var|version|worktree)\Z"
)
#: How many steps a run may have less than the one that was counted.
_LESS = 2
#: Writes of files that are gone with the process, or that nothing reads after it.
_PASSING = re.compile(r"/dev/|/proc/")


@dataclass(frozen=True)
class Story:
    """A command, in which folder of which registry it runs, and what was done there before.

    ``{root}`` and ``{keys}`` in arguments stand for the registry's folder and that of the people's keys.
    """

    registry: str
    folder: str
    command: str
    before: tuple[tuple[str, str], ...] = ()


_PROMOTED = (
    ("bo", "promote credit-risk/2 --to production --key {keys}/bo"),
    ("alice", "change approve 1 --key {keys}/alice"),
)
_FILE = "register credit-risk {root}/in/model.onnx --metric roc_auc=0.9"
_FOLDER = "register credit-risk {root}/in/model --artifact-format custom --metric roc_auc=0.9"
_UP, _BACK = "promote credit-risk/2 --to production", "rollback credit-risk --stage production --to 1"

#: ``team`` has people, an origin and change requests; ``here`` is a checkout without an origin, ``push`` an origin
#: with clones, both of a registry whose changes land directly.
STORIES: Mapping[str, Story] = {
    "register-request": Story("team", "dan", f"{_FILE} --key {{keys}}/dan"),
    "register-here": Story("here", "solo", _FOLDER),
    "register-push": Story("push", "dan", _FILE),
    "register-bare": Story("push", "origin.git", _FILE),
    "promote-request": Story("team", "bo", f"{_UP} --key {{keys}}/bo"),
    "promote-here": Story("here", "solo", _UP),
    "promote-push": Story("push", "dan", _UP),
    "merge-team": Story("team", "bo", "change merge 1 --key {keys}/bo", _PROMOTED),
    "merge-here": Story("here", "solo", "change merge 1", (("solo", f"{_UP} --request"),)),
    "rollback-request": Story(
        "team",
        "bo",
        f"{_BACK} --key {{keys}}/bo",
        (*_PROMOTED, ("bo", "change merge 1 --key {keys}/bo")),
    ),
    "rollback-here": Story("here", "solo", _BACK, (("solo", _UP),)),
    "rollback-push": Story("push", "dan", _BACK, (("dan", _UP),)),
    "pull-file": Story("team", "dan", "pull credit-risk/1 -o {root}/out"),
    "pull-folder": Story("here", "solo", "pull credit-risk/4 -o {root}/out", (("solo", _FOLDER),)),
}


# The steps


class Steps:
    """Counts the steps of this process from ``begin`` on, and kills it before the one that is ``fatal``."""

    def __init__(self, fatal: int | None) -> None:
        self.labels: list[str] = []
        self._fatal = fatal
        self._lock = threading.Lock()
        self._open = builtins.open

    def begin(self) -> None:
        """Looks at everything that happens from now on; there is no way back."""
        sys.addaudithook(self._hear)
        builtins.open = self._opened  # type: ignore[assignment]

    def step(self, label: str) -> None:
        """One step; perhaps the last."""
        with self._lock:
            self.labels.append(label)
            if len(self.labels) - 1 == self._fatal:
                os.killpg(0, signal.SIGKILL)
                signal.pause()

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        label = _label(event, args)
        if label is not None:
            self.step(label)

    def _opened(self, file: Any, mode: str = "r", *args: Any, **said: Any) -> Any:
        """A file that is there now, and empty: the audit hook only hears that it will be opened."""
        found = self._open(file, mode, *args, **said)
        if set(mode) & set("wax+") and not isinstance(file, int) and not _PASSING.match(os.fspath(file)):
            self.step(f"opened {os.path.basename(os.fspath(file))}")
        return found


_CHANGES = re.compile(r"os\.(?:rename|link|symlink|remove|mkdir|rmdir|chmod|truncate|utime)\Z")


def _label(event: str, args: tuple[Any, ...]) -> str | None:
    """What a step is called; None for what is none."""
    if event == "subprocess.Popen":
        return _process([os.fspath(arg) for arg in args[1]])
    if event == "open" and isinstance(args[0], str) and not _PASSING.match(args[0]):
        writes = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return f"open {os.path.basename(args[0])}" if writes else None
    if _CHANGES.match(event):
        return f"{event} {' '.join(os.path.basename(os.fspath(a)) for a in args[:2] if isinstance(a, str))}"
    return None


def _process(argv: list[str]) -> str:
    words = iter(argv)
    program = os.path.basename(next(words))
    for word in words:
        if word == "-c":
            next(words)
        elif not word.startswith("-"):
            dry = " --dry-run" if "--dry-run" in argv else ""
            return f"{program} {word}{dry}"
    return program


def changes_something(label: str) -> bool:
    """Whether the world may look different after a step than before it."""
    program, _, rest = label.partition(" ")
    return program != "git" or (not READING.match(rest) and "--dry-run" not in rest)


def telling(labels: Sequence[str]) -> list[int]:
    """The steps before which the world may look different than before the one before: each that follows a change."""
    return [0, *(n for n in range(1, len(labels)) if changes_something(labels[n - 1]))]


# The world


def _environment(home: Path) -> None:
    """Nothing of the machine's configuration reaches a story."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "GITREG_", "SSH_", "DVC_"))]:
        del os.environ[name]
    home.mkdir()
    (home / "gitconfig").write_text("[init]\ndefaultBranch = main\n")
    os.environ |= {
        "HOME": os.fspath(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.fspath(home / "gitconfig"),
        "GITREG_CACHE_DIR": os.fspath(home / "cache"),
        "DVC_NO_ANALYTICS": "1",
    } | {f"DVC_{n}_DIR": os.fspath(home / "dvc") for n in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}


def _make(folder: Path, registry: str, keys: Path) -> None:
    folder.mkdir()
    if registry == "team":
        public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
        make_template(folder, public)
    elif registry == "here":
        make_solo(folder)
        git(folder / "solo", "config", "user.email", "dan@example.com")
    else:
        _make_push(folder)
    (folder / "in" / "model" / "weights").mkdir(parents=True)
    (folder / "in" / "model.onnx").write_bytes(b"a new file\n")
    (folder / "in" / "model" / "config.json").write_bytes(b"{}\n")
    (folder / "in" / "model" / "weights" / "0.bin").write_bytes(b"a new folder\n")
    (folder / "out").mkdir()


def _make_push(folder: Path) -> None:
    """An origin of a registry whose changes land directly, and Dan's clone; its DVC remote has an absolute address."""
    origin = folder / "origin.git"
    git(folder, "init", "-q", "--bare", "--initial-branch=main", os.fspath(origin))
    fast_import(origin, story(SOLO_POLICY, REGISTRY.replace("requests", "solo")))
    for number in (1, 2, 3):
        store_object(folder / "artifacts", bytes_of(number))
    git(folder, "clone", "-q", "--no-local", os.fspath(origin), "dan")
    for place in (origin, folder / "dan"):
        git(place, "config", "user.name", "Dan")
        git(place, "config", "user.email", "dan@example.com")


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW


def in_child(work: Callable[[], int], log: Path) -> int:
    """What ``work`` returns in a process of its own (negative: the signal that killed it); its output is in ``log``."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = 4
        try:
            code = work()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass
class Stage:
    """Where one story is played, again and again: its template, and what an undisturbed run makes of it."""

    work: Path
    name: str
    labels: list[str] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    after: object = None

    @property
    def story(self) -> Story:
        return STORIES[self.name]

    @property
    def template(self) -> Path:
        return self.work / self.name

    def places(self, root: Path) -> list[Path]:
        """The hub, and the repository that the story runs in."""
        hub = root / ("solo" if self.story.registry == "here" else "origin.git")
        return sorted({hub, root / self.story.folder})

    def prepare(self) -> None:
        """Makes the template, and plays the story once to count its steps and to see how it ends."""
        origin = self.work / self.story.registry
        if not origin.exists():
            _make(origin, self.story.registry, self.work / "keys")
        copy_template(origin, self.template)
        for folder, command in self.story.before:
            code = self._run(self.template, folder, command)
            assert code == 0, f"{command}: {self._log()}"
        self._warm_up()
        root = self._copy()
        told = self.work / "steps.json"
        code = self._play(root, lambda steps: told.write_text(json.dumps(steps.labels)))
        assert code == 0, self._log()
        self.labels = json.loads(told.read_text())
        self.after = observe(self.places(root), root)
        assert self.after != observe(self.places(self.template), self.template), "the story changes nothing"
        shutil.rmtree(root)

    def _warm_up(self) -> None:
        """Imports what the story imports, so that no fork has to."""
        root, told = self._copy(), self.work / "modules.json"
        self._play(root, lambda _: told.write_text(json.dumps(sorted(sys.modules))))
        for name in json.loads(told.read_text()):
            with suppress(ImportError):
                importlib.import_module(name)
        shutil.rmtree(root)

    def kill(self, number: int) -> list[str]:
        """Plays the story, killed before step ``number``, and again to its end; returns what is wrong."""
        root = self._copy()
        try:
            code = self._play(root, fatal=number)
            if code == 0 and number >= len(self.labels) - _LESS:
                self.missed.append(number)  # threads share the work a little differently each time
            else:
                assert code == -signal.SIGKILL, f"step {number} was not met: {self._log()}"
            found = [*self._damage(root), *self._again(root)]
            return [f"killed before step {number} ({self.describe(number)}): {line}" for line in found]
        finally:
            shutil.rmtree(root)

    def describe(self, number: int) -> str:
        """What a step is, and which it follows."""
        names = ["nothing", *self.labels, "exit"]
        return f"{names[number + 1]}, after {names[number]}"

    def _damage(self, root: Path) -> Iterator[str]:
        for place in self.places(root):
            done = subprocess.run(
                ["git", "fsck", "--strict", "--no-dangling"], cwd=place, capture_output=True, check=False
            )
            if done.returncode:
                yield f"git fsck in {place.name}: {done.stderr.decode()}"
        hub, *_ = [place for place in self.places(root) if place.name in {"solo", "origin.git"}]
        for folder, options in ((hub, "--committed"), (root / self.story.folder, "")):
            if self._run(root, folder.name, f"validate {options}"):
                yield f"gitreg validate {options} in {folder.name}: {self._log()}"

    def _again(self, root: Path) -> Iterator[str]:
        if self._run(root, self.story.folder, self.story.command):
            yield f"the second run failed: {self._log()}"
        after = observe(self.places(root), root)
        if after != self.after:
            yield f"the second run ended elsewhere:\n{_difference(self.after, after)}"

    def _copy(self) -> Path:
        """At the same place each time, as some paths are remembered."""
        return copy_template(self.template, self.work / "stage")

    def _play(
        self, root: Path, end: Callable[[Steps], object] = lambda steps: None, fatal: int | None = None
    ) -> int:
        return self._run(root, self.story.folder, self.story.command, Steps(fatal), end)

    def _run(
        self,
        root: Path,
        folder: str,
        command: str,
        steps: Steps | None = None,
        end: Callable[[Steps], object] = lambda steps: None,
    ) -> int:
        """Runs ``gitreg COMMAND`` in a process of its own."""
        said = [word.format(root=root, keys=self.work / "keys") for word in command.split()]
        remote = ["--remote", os.fspath(root / "artifacts")] if folder.endswith(".git") else []
        remote = remote if said[0] in {"register", "pull"} else []

        def work() -> int:
            os.chdir(root / folder)
            wiring = importlib.import_module("gitreg.wiring")
            vars(wiring)["datetime"] = Stopped
            if steps is None:
                return run([*said, *remote])
            steps.begin()
            code = run([*said, *remote])
            steps.step("exit")
            end(steps)
            return code

        return in_child(work, self.work / "log")

    def _log(self) -> str:
        return (self.work / "log").read_text()


def observe(places: Sequence[Path], root: Path) -> dict[str, object]:
    """All that matters of some repositories of a registry's folder, and of the artifacts that lie in it."""
    found: dict[str, object] = {}
    for place in places:
        found[place.name] = _refs(place)
        if place.suffix != ".git":
            found[f"{place.name}, files"] = git(place, "status", "--porcelain")
        git_dir = place if place.suffix == ".git" else place / ".git"
        found[f"{place.name}, locks"] = [path.name for path in git_dir.rglob("*.lock")]
    for folder in ("artifacts", "out", "in"):
        found[folder] = {
            path.relative_to(root / folder).as_posix(): _digest(path)
            for path in sorted((root / folder).rglob("*"))
            if not (folder == "artifacts" and path.name.endswith(".tmp"))
        }
    return found


def _refs(place: Path) -> dict[str, str]:
    """A clone's own branches are left out: whether one follows its origin at once or later is a convenience."""
    rows = git(place, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    refs = dict(row.split(" ") for row in rows)
    is_clone = bool(git(place, "remote"))
    return {ref: oid for ref, oid in refs.items() if not (is_clone and ref.startswith("refs/heads/"))}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def _difference(one: Any, other: Any) -> str:
    return "\n".join(
        f"  {key}: {one.get(key)} became {other.get(key)}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    )


# Playing


def play(names: Sequence[str], choose: Callable[[Sequence[str]], Sequence[int]]) -> Iterator[dict[str, Any]]:
    """Kills stories before each of the steps that ``choose`` picks from their labels; tells what became of each."""
    with tempfile.TemporaryDirectory(prefix="gitreg-crash-") as folder:
        work = Path(folder)
        _environment(work / "home")
        (work / "keys").mkdir()
        make_keys(work / "keys")
        for name in names:
            stage = Stage(work, name)
            stage.prepare()
            killed = list(choose(stage.labels))
            wrong = [line for number in killed for line in stage.kill(number)]
            killed = [number for number in killed if number not in stage.missed]
            yield {"story": name, "steps": stage.labels, "killed": killed, "wrong": wrong}


def share(text: str) -> Callable[[Sequence[str]], Sequence[int]]:
    """``N/M``: of the telling steps every M-th, from the N-th on; ``N``: that step alone; "": every step."""
    if not text:
        return lambda labels: range(len(labels))
    if "/" not in text:
        return lambda labels: [int(text)]
    first, every = map(int, text.split("/"))
    return lambda labels: telling(labels)[first % every :: every]


def main(args: Sequence[str]) -> int:
    """Plays stories, or all of a registry; prints a line of JSON for each. Exit code 1 if anything is wrong."""
    asked, text = [*args, "", ""][:2]
    names = [name for name, told in STORIES.items() if asked in {"", name, told.registry}]
    found = []
    for told in play(names, share(text)):
        print(json.dumps(told), flush=True)
        found += told["wrong"]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
