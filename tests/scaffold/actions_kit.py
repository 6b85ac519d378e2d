"""GitHub Actions beside the fake GitHub: what happens there starts the repository's own workflows, which act runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from act_kit import Act, Ran, with_this_gitreg
from forge.fake_github import ACTIONS_BOT, Announcement, FakeGitHub
from forge.fake_github_json import repository, user
from forge.fake_github_state import GitHubRepository, Run

FOLDER = ".github/workflows"


@dataclass
class Started:
    """A run: what started it, at which commit its workflow was read, and how it ended."""

    run: Run
    workflow: str
    event: str
    payload: dict[str, Any]
    ref: str
    sha: str
    actor: str
    ran: Ran | None = None


@dataclass
class Actions:
    """Runs the workflows of one repository. Nothing runs before ``catch_up`` or ``dispatch`` is called."""

    github: FakeGitHub
    repository: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    started: list[Started] = field(default_factory=list)
    _heard: int = 0
    _pushes: int = 0
    _reruns: int = 0

    @property
    def repo(self) -> GitHubRepository:
        return self.github.repo(self.repository)

    def catch_up(self) -> list[Ran]:
        """Runs what has been started since the last time, and what that starts in turn."""
        done: list[Ran] = []
        while waiting := [*self._announced(), *self._pushed(), *self._again()]:
            done += [self._execute(one) for one in waiting]
        return done

    def skip(self) -> None:
        """Lets pass what has happened so far."""
        self._heard, self._pushes = len(self.github.announcements), len(self.github.pushes)

    def dispatch(self, login: str, workflow: str, inputs: dict[str, str], branch: str = "main") -> Ran:
        """Somebody fills in the form of a workflow."""
        ref = f"refs/heads/{branch}"
        sha = self.repo.bare.branch(branch) or ""
        sender = user(self.github, login)
        payload = {
            "inputs": inputs,
            "ref": ref,
            "sender": sender,
            "repository": {"full_name": self.repository},
        }
        title = f"Promote {inputs['model']}/{inputs['version']} to {inputs['stage']}"
        return self._execute(self._start(workflow, "workflow_dispatch", payload, ref, sha, sha, login, title))

    def queue(self, login: str, number: int) -> Ran:
        """Somebody puts a request into the merge queue, which tries what would land."""
        branch, sha = self.github.queue(number)
        ref, base = f"refs/heads/{branch}", self.repo.pulls[number]
        group = {
            "head_sha": sha,
            "head_ref": ref,
            "base_sha": base.base,
            "base_ref": f"refs/heads/{base.base_ref}",
        }
        payload = {
            "action": "checks_requested",
            "merge_group": group,
            "repository": repository(self.github, self.repo),
        }
        return self._execute(self._start("gitreg-verify.yml", "merge_group", payload, ref, sha, sha, login))

    # What starts runs

    def _announced(self) -> Iterator[Started]:
        new, self._heard = self.github.announcements[self._heard :], len(self.github.announcements)
        for told in new:
            number = told.payload["pull_request"]["number"]
            ref = f"refs/pull/{number}/merge"
            sha = self.repo.bare.resolve(ref)
            if sha is None or told.by_token:
                continue  # GitHub starts nothing where there is no trial merge, or where GITHUB_TOKEN did it
            for workflow in self._listening(sha, told):
                login, head = told.payload["sender"]["login"], told.payload["pull_request"]["head"]["sha"]
                yield self._start(workflow, told.event, told.payload, ref, sha, head, login)

    def _listening(self, sha: str, told: Announcement) -> Iterator[str]:
        for workflow, triggers in self._workflows(sha):
            if told.event in triggers and told.payload["action"] in triggers[told.event]["types"]:
                yield workflow

    def _pushed(self) -> Iterator[Started]:
        new, self._pushes = self.github.pushes[self._pushes :], len(self.github.pushes)
        for push in new:
            branch = push.ref.removeprefix("refs/heads/")
            if push.repository != self.repository or branch == push.ref or not push.after.strip("0"):
                continue
            for workflow, triggers in self._workflows(push.after):
                if "push" in triggers and branch in triggers["push"]["branches"]:
                    payload = {
                        "ref": push.ref,
                        "before": push.before,
                        "after": push.after,
                        "forced": push.forced,
                        "repository": {"full_name": self.repository, "default_branch": "main"},
                    }
                    yield self._start(workflow, "push", payload, push.ref, push.after, push.after, push.login)

    def _again(self) -> Iterator[Started]:
        new, self._reruns = self.github.reruns[self._reruns :], len(self.github.reruns)
        for run in new:
            yield next(one for one in self.started if one.run is run)

    def _workflows(self, sha: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The workflows at a commit, each with what it runs on."""
        listed = self.repo.bare.text("ls-tree", "--name-only", f"{sha}:{FOLDER}") if self._has(sha) else ""
        for name in listed.splitlines():
            parsed = yaml.safe_load(self.repo.bare.blob(sha, f"{FOLDER}/{name}") or b"")
            yield name, parsed[True]

    def _has(self, sha: str) -> bool:
        return self.repo.bare.run("cat-file", "-e", f"{sha}:{FOLDER}").returncode == 0

    # Runs

    def _start(
        self, workflow: str, event: str, payload: dict[str, Any], ref: str, sha: str, head: str, login: str,
        title: str = "",
    ) -> Started:  # fmt: skip
        job = {"gitreg-verify.yml": "gitreg"}.get(workflow, workflow.removesuffix(".yml"))
        pulls = (payload["pull_request"]["number"],) if "pull_request" in payload else ()
        branch = payload["pull_request"]["head"]["ref"] if pulls else ref.removeprefix("refs/heads/")
        run = self.github.add_run(
            head, event, None, login=login, name=job, path=f"{FOLDER}/{workflow}", branch=branch, pulls=pulls,
            title=title,
        )  # fmt: skip
        self.started.append(Started(run, workflow, event, payload, ref, sha, login))
        return self.started[-1]

    def _execute(self, one: Started) -> Ran:
        checkout = self.folder / f"run-{one.run.id}"
        shutil.rmtree(checkout, ignore_errors=True)
        bare = self.repo.bare
        subprocess.run(["git", "init", "-q", checkout], check=True)
        for args in (["fetch", "-q", str(bare.path), one.sha], ["checkout", "-q", "FETCH_HEAD"]):
            subprocess.run(["git", *args], cwd=checkout, check=True)
        path = checkout / FOLDER / one.workflow
        path.write_text(with_this_gitreg(path.read_text()))
        act = Act(
            self.folder / "home" / str(one.run.id),
            self.github.url,
            self.repository,
            self.github.actions_token(self.repository, self._granted(path, one.event), ACTIONS_BOT),
            self.github.api,
            variables=self.variables,
            secrets=self.secrets,
        )
        one.ran = act.run(
            checkout,
            f"{FOLDER}/{one.workflow}",
            one.event,
            one.payload,
            ref=one.ref,
            sha=one.sha,
            actor=one.actor,
            run_id=one.run.id,
        )
        # The check is the first job's; what others do is not required.
        verdict = one.ran.job(one.run.name)
        passed = verdict == "succeeded" if one.run.name == "gitreg" else one.ran.ok
        self.github.finish_run(one.run, "success" if passed else "failure")
        return one.ran

    @staticmethod
    def _granted(path: Path, event: str) -> list[str]:
        """What the jobs that run on an event may do, all together: act has one token for all."""
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        running = [job for job in jobs if "if" not in job or event in job["if"]]
        granted = {(name, access) for job in running for name, access in job.get("permissions", {}).items()}
        return sorted(f"{name.replace('-', '_')}:{access}" for name, access in granted)
