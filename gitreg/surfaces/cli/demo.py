"""``gitreg demo``: the whole life of a model, played with the real commands by three people on one machine."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gitreg.errors import GitregError, Refused

_PEOPLE = {
    "dan": "Dan, who trains models",
    "bo": "Bo, who runs the platform",
    "alice": "Alice, who owns the risk",
}
_MODEL = "credit-risk"


@click.command()
@click.argument("directory", required=False)
def demo(directory: str | None) -> None:
    """Play the life of a model: register, promote, verify, approve, merge, resolve, pull, roll back.

    It works in DIRECTORY (which must not exist; default: a temporary folder that is removed), on a copy of the example
    registry, with nothing but git, ssh-keygen and a local DVC remote. Exit code 0: every step did what it says.

    \b
    Example:
      gitreg demo /tmp/demo && cd /tmp/demo/dan && gitreg history
    """
    with _stage(directory) as root:
        story = Story(root)
        story.prepare()
        story.play()
    if directory:
        click.echo(f"\nEverything is in {directory}: try gitreg -C {directory}/dan list")


@contextmanager
def _stage(directory: str | None) -> Iterator[Path]:
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="gitreg-demo-") as folder:
            yield Path(folder)
        return
    root = Path(directory).absolute()
    if root.exists():
        raise Refused(f"{directory} exists already, and the demo overwrites nothing", "name a new folder")
    root.mkdir(parents=True)
    yield root


class StepFailed(GitregError):
    """A step of the demo did not do what it says."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did."""

    code: int
    text: str


class Story:
    """The demo in one folder: a bare origin, a clone and an SSH key for each person, and the artifacts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # The stage

    def prepare(self) -> None:
        """Makes the people, and the registry as a bare origin with a clone for each of them."""
        from gitreg.wiring import data_folder

        self._say(
            "A registry for three people: a bare git repository that a hook guards, and a folder for DVC."
        )
        example = data_folder("example-registry")
        keys = {person: self._make_person(person) for person in _PEOPLE}
        seed = self.root / "seed"
        shutil.copytree(
            example, seed, ignore=shutil.ignore_patterns(".remote", "demo", "*.py", "*.txt", "*.md")
        )
        shutil.copytree(example / ".remote", self.root / "artifacts")
        shutil.copytree(example / "demo" / "credit-risk-candidate", self.root / "candidate")
        _adapt(seed, keys)
        self._git("alice", "init", "--quiet", "--initial-branch=main", cwd=seed)
        self._git("alice", "add", "--all", cwd=seed)
        # An approval in the very second in which the rules change would not count.
        begun = {"GIT_COMMITTER_DATE": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
        self._git("alice", "commit", "--quiet", "--message=Begin the registry", cwd=seed, extra=begun)
        self._git("alice", "clone", "--quiet", "--bare", "seed", "origin.git", cwd=self.root)
        shutil.rmtree(seed)
        for person in _PEOPLE:
            self._git(person, "clone", "--quiet", "origin.git", person, cwd=self.root)
        self.run(
            "server", f"hook install --remote {shlex.quote(str(self.root / 'artifacts'))}", shows="guards"
        )

    def _make_person(self, person: str) -> str:
        home = self.root / "people" / person
        home.mkdir(parents=True)
        key = home / "key"
        comment = f"{person}@example.com"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key], check=True)
        identity = f"[user]\n\tname = {person.capitalize()}\n\temail = {comment}\n\tsigningKey = {key}.pub\n"
        (home / "gitconfig").write_text(f"{identity}[gpg]\n\tformat = ssh\n[init]\n\tdefaultBranch = main\n")
        return (home / "key.pub").read_text().strip()

    def _folder(self, person: str) -> Path:
        return self.root / ("origin.git" if person == "server" else person)

    def _environment(self, person: str) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITREG_"))}
        config = self.root / "people" / person / "gitconfig"
        return kept | {
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONIOENCODING": "utf-8",
        }

    def _git(self, person: str, *args: str, cwd: Path, extra: Mapping[str, str] | None = None) -> None:
        done = subprocess.run(
            ["git", *args],
            check=False,
            cwd=cwd,
            env={**self._environment(person), **(extra or {})},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StepFailed(f"git {args[0]} failed: {done.stderr.strip()}")

    # What a step is

    def _say(self, text: str) -> None:
        click.echo()
        click.secho(f"# {text}", bold=True)

    def run(self, person: str, command: str, *, code: int = 0, shows: str = "") -> Result:
        """Runs ``gitreg COMMAND`` as a person in their clone, and prints both it and its output.

        Raises StepFailed if the exit code is another than ``code``, or the output lacks ``shows``.
        """
        return self._shown(person, f"gitreg {command}", [sys.executable, "-m"], code, shows)

    def _shown(self, person: str, line: str, before: Sequence[str], code: int, shows: str) -> Result:
        click.secho(f"{person}$ {line}", fg="cyan")
        done = subprocess.run(
            [*before, *shlex.split(line)],
            check=False,
            cwd=self._folder(person),
            env=self._environment(person),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        if done.stdout:
            click.echo("".join(f"  {line}\n" for line in done.stdout.splitlines()), nl=False)
        if done.returncode != code or shows not in done.stdout:
            expected = f"exit code {code}" + (f" and {shows!r}" if shows else "")
            raise StepFailed(f"{line}: expected {expected}, got exit code {done.returncode}")
        return Result(done.returncode, done.stdout)

    # The story

    def play(self) -> None:
        """Plays every step; stops at the first that does not do what it says."""
        self._look_around()
        self._register()
        self._promote_to_staging()
        self._try_production()
        self._go_live()
        self._overtaken()
        self._move_champion()
        self._deploy()
        self._roll_back()
        click.echo()
        click.secho("Every step did what it says.", fg="green", bold=True)

    def _look_around(self) -> None:
        self._say("The registry is files in git. It is valid, and reading it needs no server.")
        self.run("dan", "validate")
        self.run("dan", "list", shows=_MODEL)

    def _register(self) -> None:
        self._say(f"Dan, who trains models, registers a new version of {_MODEL}.")
        self.run(
            "dan",
            f"register {_MODEL} ../candidate/model.onnx --metrics ../candidate/metrics.json"
            " --params ../candidate/params.json --signature ../candidate/signature.json"
            " --environment ../candidate/environment.json --description 'Balanced logistic regression'",
            shows="Change #1 opened",
        )
        self.run("dan", "verify 1")
        self.run("bo", "change merge 1", shows="Merged change #1")

    def _promote_to_staging(self) -> None:
        self._say("It goes to staging: the metric gate passes.")
        self.run("dan", f"promote {_MODEL}/4 --to staging", code=0, shows="Change #2 opened")
        self.run("bo", "verify 2")
        self.run("bo", "change merge 2")

    def _try_production(self) -> None:
        self._say("Bo asks for production. Verify says no: the model card is missing.")
        asked = self.run("bo", f"promote {_MODEL}/4 --to production", shows="Change #3 opened")
        self.run("bo", "verify 3", code=1, shows="notes.yaml:1:1: GR305")
        branch = asked.text.partition("branch")[2].split()[0]
        self._say("Dan is in a hurry, and pushes it to the branch with plain git. The server says the same.")
        self._git("dan", "fetch", "--quiet", "origin", cwd=self.root / "dan")
        push = f"git push --quiet origin origin/{branch}:main"
        self._shown("dan", push, [], 1, "GR401")
        self._say("Meanwhile Dan asks for another version to go live.")
        self.run("dan", f"promote {_MODEL}/2 --to production", shows="Change #4 opened")
        self._say("Dan writes the card; it lands as a change of its own.")
        self.run(
            "dan",
            f"version note {_MODEL}/4 --card 'intended_use=Decision support, never a decision.'"
            " --card 'limitations=Trained on 398 rows of one clinic.'",
            shows="Change #5 opened",
        )
        self.run("bo", "change merge 5")
        self._say("All gates pass now, and verify still says no: nobody has approved.")
        self.run("bo", "verify 3", code=1, shows="GR401")

    def _go_live(self) -> None:
        self._say(
            "Alice, who owns the risk, reads the change and approves exactly this one, with her SSH key."
        )
        self.run("alice", "change show 3", shows=_MODEL)
        self.run("alice", "change approve 3", shows="approved")
        self.run("bo", "verify 3")
        self.run("bo", "change merge 3", shows="Merged change #3")
        self.run("bo", f"resolve {_MODEL}/production", shows=f"{_MODEL}/4")

    def _overtaken(self) -> None:
        self._say(
            "Dan's change was made before that merge. It conflicts, as it must; refresh plans it again."
        )
        self.run("dan", "verify 4", code=1, shows="GR201")
        self.run("dan", "change merge 4", code=1, shows="refresh")
        self.run("dan", "change refresh 4", shows="Change #4")
        self._say("Planned on what is live now, it is judged anew, and nobody wants it any more.")
        self.run("dan", "verify 4", code=1)
        self.run("dan", "change close 4", shows="Closed change #4")

    def _move_champion(self) -> None:
        self._say(
            "The alias that deploy tooling reads moves, too. It is protected, so it takes Alice's approval."
        )
        self.run("bo", f"alias set {_MODEL} champion 4", shows="Change #6 opened")
        self.run("alice", "change approve 6")
        self.run("bo", "change merge 6")

    def _deploy(self) -> None:
        self._say("Deploy tooling resolves a reference and pulls the bytes, each one verified.")
        found = json.loads(self.run("bo", f"resolve {_MODEL}@champion --format json").text)
        self.run("bo", f"pull {_MODEL}@champion -o ../deployed", shows="verified")
        deployed = self.root / "deployed" / "model.onnx"
        digest = hashlib.sha256(deployed.read_bytes()).hexdigest()
        click.secho("bo$ sha256sum ../deployed/model.onnx", fg="cyan")
        click.echo(f"  {digest}  ../deployed/model.onnx")
        if found["digest"] != f"sha256:{digest}":
            raise StepFailed("the bytes that were pulled are not the ones that the record names")
        if deployed.read_bytes() != (self.root / "candidate" / "model.onnx").read_bytes():
            raise StepFailed("the bytes that were pulled are not the ones that were registered")
        self._predict(deployed)

    def _predict(self, model: Path) -> None:
        """Runs the model on a real row, where onnxruntime is installed."""
        row = json.loads((self.root / "candidate" / "row.json").read_text())
        try:
            import numpy
            import onnxruntime
        except ImportError:
            click.echo("  (install onnxruntime to see the model run on a real row)")
            return
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        features = numpy.array([list(row["row"].values())], dtype=numpy.float32)
        probability = float(session.run(["probabilities"], {"features": features})[0][0][1])
        click.echo(f"  on a real row: probability {probability:.4f}, expected {row['probability']:.4f}")
        if abs(probability - row["probability"]) > row["tolerance"]:
            raise StepFailed("the model that was pulled does not predict what the registered one did")

    def _roll_back(self) -> None:
        self._say(
            "Something is wrong in production. A rollback restores what was there, with Bo's approval alone."
        )
        self.run("alice", f"rollback {_MODEL} --stage production", shows="@champion still names version 4")
        self.run("bo", "change approve 7")
        self.run("alice", "change merge 7")
        self.run("alice", f"resolve {_MODEL}/production", shows=f"{_MODEL}/3")
        self._say(
            "The alias still names the version that left, as verify noted. It follows in a change of its own."
        )
        self.run("bo", f"alias set {_MODEL} champion 3", shows="Change #8 opened")
        self.run("alice", "change approve 8")
        self.run("bo", "change merge 8")
        self.run("bo", f"resolve {_MODEL}@champion", shows=f"{_MODEL}/3")
        self._say("Who moved what, and when: git is the audit log.")
        self.run("bo", f"history {_MODEL}", shows="@champion: 4 → 3")
        self.run("bo", "validate")


def _adapt(seed: Path, keys: Mapping[str, str]) -> None:
    """Gives the copy the demo's people their keys, and the demo's folder of artifacts."""
    from gitreg.core.codec.edit import edit_yaml
    from gitreg.core.codec.yaml import load_yaml

    policy = seed / "policy.yaml"
    value = load_yaml(policy.read_bytes())
    assert isinstance(value, dict)
    people = [person | {"keys": [keys[person["id"]]]} for person in value["people"] if person["id"] in keys]
    policy.write_bytes(edit_yaml(policy.read_bytes(), {("people",): people}))
    config = seed / ".dvc" / "config"
    config.write_text(config.read_text().replace("../.remote", "../../artifacts"))
