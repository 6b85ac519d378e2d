"""The action and the workflows, as the linters of others see them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scaffold_kit import ACTION, ROOT, made


def tool(name: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a tool of this environment; it reads what it is told to, and asks nobody."""
    program = Path(sys.executable).parent / name
    return subprocess.run([program, *args], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with everything that gitreg writes, for a registry in a folder with an awkward name."""
    folder = tmp_path_factory.mktemp("scaffolded")
    files = made(root="ml/team: one", remote="s3://b") | made("gitlab", root="ml/team: one", remote="s3://b")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_the_forges_own_schemas_accept_the_files(repository: Path) -> None:
    workflows = sorted(map(str, (repository / ".github" / "workflows").iterdir()))
    jobs = [str(repository / ".gitlab-ci.yml"), str(repository / ".gitlab" / "gitreg.yml")]
    for schema, files in (
        ("vendor.github-workflows", workflows),
        ("vendor.github-actions", [str(ACTION / "action.yml")]),
        ("vendor.gitlab-ci", jobs),
    ):
        done = tool("check-jsonschema", "--builtin-schema", schema, *files)
        assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing(repository: Path) -> None:
    done = tool("zizmor", "--offline", "--pedantic", "--no-progress", str(repository), str(ACTION))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout


def test_the_scripts_parse_and_are_not_for_a_newer_shell() -> None:
    scripts = sorted(ACTION.glob("*.sh"))
    assert [script.stem for script in scripts] == ["install", "run", "settings"]
    for script in scripts:
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
        newer = ("mapfile", "readarray", "declare -A", "${!", "&>>", "|&", ",,}", "^^}")  # macOS has bash 3.2
        assert not [word for word in newer if word in script.read_text()]


def test_this_projects_own_workflow_is_clean_too() -> None:
    done = tool("zizmor", "--offline", "--no-progress", str(ROOT / ".github" / "workflows"))
    assert done.returncode == 0, done.stdout + done.stderr
