"""What git lets one do to history, refs, attributes, merges and addresses; and what lands where a forge reads it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable

from flow_kit import git, promote, registration

from attacks.attack_kit import BRANCH, JUDGE, Ground, Ran, attack
from gitreg.core.plan.annotate import plan_annotate
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.register import NewModel, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.core.record import ImportedFrom

MODEL = "models/credit-risk/model.yaml"
STAGES = "models/credit-risk/stages"
VERSIONS = "models/credit-risk/versions"
RECORD = f"{VERSIONS}/1/version.yaml"
POINTER = f"{VERSIONS}/1/model.onnx.dvc"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def edit_record(ground: Ground, **said: str) -> str:
    """A record with a better metric than was measured."""
    return ground.edit({RECORD: ground.read(RECORD).replace("roc_auc: 0.9", "roc_auc: 0.99")}, **said)


def merges(ground: Ground, *settings: str) -> str:
    """Plain git merges the attack into the registry's branch, without a word; what is then at a path is the answer."""
    ground.git("fetch", "-q", "origin")
    ground.git("checkout", "-q", "--force", "--detach", "origin/main")
    ground.git(*settings, "merge", "-q", "--no-edit", f"origin/{BRANCH}")
    return ground.git("rev-parse", "HEAD")


# -- records and numbers


@attack(expect="GR202")
def record_edited(ground: Ground) -> None:
    """A version that was never measured like this."""
    edit_record(ground)


@attack(expect="GR202")
def pointer_file_edited(ground: Ground) -> None:
    """Other bytes for a version that people use already."""
    ground.edit({POINTER: re.sub(r"md5: \w+", f"md5: {'0' * 32}", ground.read(POINTER))})


@attack(expect="GR202")
def comment_in_a_record(ground: Ground) -> None:
    """The same values in other bytes: who compares values alone does not see it."""
    ground.edit({RECORD: ground.read(RECORD) + "# harmless\n"})


@attack(expect="GR202")
def record_removed(ground: Ground) -> None:
    """A version that was never there."""
    ground.edit({RECORD: None, POINTER: None})


@attack(expect="GR202")
def record_renamed_away(ground: Ground) -> None:
    """git calls it a rename, and shows no difference."""
    moved = {path.replace("/1/", "/9/"): ground.read(path) for path in (RECORD, POINTER)}
    ground.edit({RECORD: None, POINTER: None, **moved})


@attack(expect="GR202")
def record_deleted_and_added_again(ground: Ground) -> None:
    """Two commits: one takes the version away, the next registers another under its number."""
    ground.edit({RECORD: None, POINTER: None})
    ground.edit({RECORD: ground.read(RECORD).replace("0.9", "0.99"), POINTER: ground.read(POINTER)})


def bury_version(ground: Ground) -> dict[str, str]:
    """Version 3 was deleted; what it was."""
    paths = [f"{VERSIONS}/3/version.yaml", f"{VERSIONS}/3/model.onnx.dvc"]
    files = {path: ground.read(path) for path in paths}
    ground.plan(lambda s: plan_delete_version(s, "credit-risk", 3, "leaks", ground.desk.now), branch="main")
    return files


@attack(expect=("GR206", "GR204"))
def number_reused_after_a_tombstone(ground: Ground) -> None:
    """The number of a version that was deleted, for other bytes."""
    ground.edit({**bury_version(ground), f"{VERSIONS}/3/tombstone.yaml": None})


@attack(expect="GR206")
def number_reused_beside_its_tombstone(ground: Ground) -> None:
    """The same, with the tombstone left in place."""
    ground.edit(bury_version(ground))


@attack(expect="GR206")
def number_reused_under_a_deleted_model(ground: Ground) -> None:
    """A model that was deleted, made again with the number that people remember."""
    ground.plan(
        lambda s: plan_register(s, registration("churn", 3, create=NewModel())),
        lambda s: plan_delete_model(s, "churn", "leaks", ground.desk.now),
        branch="main",
    )
    made = plan_register(ground.snapshot("main~1"), registration("churn", 2, version=None)).edits
    names = {path: path.replace("/2/", "/1/") for path in made}
    made = {names[path]: data.replace(b"version: 2", b"version: 1") for path, data in made.items() if data}
    model = ground.git("show", "origin/main~1:models/churn/model.yaml") + "\n"
    ground.edit({**made, "models/churn/model.yaml": model, "models/churn/tombstone.yaml": None})


# -- pointers


@attack(expect="GR107")
def pointer_without_a_matching_digest(ground: Ground) -> None:
    """The reviewer sees the number, the deploy tool follows the digest."""
    text = ground.read(f"{STAGES}/staging.yaml")
    ground.edit({f"{STAGES}/staging.yaml": DIGEST.sub(f"sha256:{'0' * 64}", text, count=1)})


@attack(expect="GR107")
def pointer_to_the_digest_of_another(ground: Ground) -> None:
    """The same, with a digest that exists."""
    found = DIGEST.search(ground.read(f"{VERSIONS}/3/version.yaml"))
    assert found
    text = ground.read(f"{STAGES}/staging.yaml")
    ground.edit({f"{STAGES}/staging.yaml": DIGEST.sub(found[0], text, count=1)})


@attack(expect="GR107")
def pointer_to_nothing(ground: Ground) -> None:
    """A stage that names a version which somebody will register some day."""
    ground.replace(f"{STAGES}/staging.yaml", "version: 2,", "version: 99,")


def add_alias(ground: Ground, name: str) -> None:
    """An alias of that name, as gitreg writes one."""
    text = ground.read("models/credit-risk/aliases/champion.yaml")
    ground.edit(
        {f"models/credit-risk/aliases/{name}.yaml": text.replace("alias: champion", f"alias: {name}")}
    )


@attack(expect=("GR103", "GR105"))
def alias_named_like_a_version(ground: Ground) -> None:
    """``credit-risk@v3`` that is version 1."""
    add_alias(ground, "v3")


@attack(expect=("GR103", "GR105"))
def alias_named_like_a_number(ground: Ground) -> None:
    """``credit-risk@3`` that is version 1."""
    add_alias(ground, "3")


@attack(expect=("GR103", "GR105"))
def alias_named_latest(ground: Ground) -> None:
    """A name that means something else already."""
    add_alias(ground, "latest")


@attack(expect="GR105")
def alias_named_like_a_stage(ground: Ground) -> None:
    """What asks for production without saying how gets the attacker's."""
    add_alias(ground, "production")


@attack(expect="GR105")
def alias_named_like_a_stage_in_another_case(ground: Ground) -> None:
    """The same, as look-ups ignore case."""
    add_alias(ground, "PRODUCTION")


def second_pin(ground: Ground, stage: str, version: int) -> str:
    """A stage file that names one version more."""
    found = DIGEST.search(ground.read(f"{VERSIONS}/{version}/version.yaml"))
    assert found
    text = ground.read(f"{STAGES}/{stage}.yaml")
    serial = re.search(r"serial: (\d+)", text)
    assert serial
    text = text.replace(serial[0], f"serial: {int(serial[1]) + 1}")
    return text.replace("versions:\n", f'versions:\n  - {{version: {version}, digest: "{found[0]}"}}\n', 1)


@attack(expect="GR108")
def two_holders(ground: Ground) -> None:
    """A second version beside the one that holds production."""
    ground.edit({f"{STAGES}/production.yaml": second_pin(ground, "production", 3)})


@attack(expect="GR108")
def version_in_two_stages(ground: Ground) -> None:
    """A version that stays in staging while it is in production."""
    ground.edit({f"{STAGES}/staging.yaml": second_pin(ground, "staging", 1)})


def _git_sees_no_conflict(ground: Ground) -> None:
    assert merges(ground)


@attack(expect="GR108", succeeds_against=_git_sees_no_conflict)
def two_changes_that_are_fine_alone(ground: Ground) -> None:
    """The branch puts a version into one stage, and what landed meanwhile put it into another."""
    start = ground.tip()
    ground.plan(promote(3, "archived"))
    assert ground.tip() == start
    ground.plan(promote(3, "staging"), branch="main")


@attack(expect="GR107", succeeds_against=_git_sees_no_conflict)
def pointer_to_what_is_deleted_meanwhile(ground: Ground) -> None:
    """The branch promotes a version, and what landed meanwhile deleted it."""
    ground.plan(promote(3, "archived"))
    bury_version(ground)


# -- attributes: how plain git shows, merges, converts and exports


def attributes(ground: Ground, line: str) -> None:
    """What the registry's ``.gitattributes`` said before the attack, as the team or an earlier attacker wrote it."""
    ground.land({".gitattributes": f"{line}\n"})


@attack(expect="GR401")
def attributes_need_the_owners(ground: Ground) -> None:
    """The attributes themselves, as a harmless file."""
    ground.edit({".gitattributes": "* merge=union\n"})


@attack(expect="GR103")
def attributes_below_models(ground: Ground) -> None:
    """Attributes where nobody looks for them."""
    ground.edit({"models/credit-risk/.gitattributes": "* merge=union\n"})


@attack(expect="GR205")
def attributes_that_ride_along(ground: Ground) -> None:
    """Attributes that come with the edit that they hide."""
    ground.edit({".gitattributes": "* -diff\n", RECORD: ground.read(RECORD) + "# x\n"})


def _git_takes_both(ground: Ground) -> None:
    merges(ground)
    text = (ground.clone / f"{STAGES}/production.yaml").read_text()
    assert "version: 2," in text
    assert "version: 3," in text


@attack(expect="GR201", succeeds_against=_git_takes_both)
def merge_by_union(ground: Ground) -> None:
    """Two promotions of two versions, which git merges into a file that holds both."""
    attributes(ground, "*.yaml merge=union")
    ground.plan(promote(3, "staging"), promote(3, "production"))
    ground.plan(promote(2, "production"), branch="main")


def _git_hides_the_edit(ground: Ground) -> None:
    ground.git("checkout", "-q", "--force", "origin/main")
    shown = ground.git("diff", "origin/main", f"origin/{BRANCH}")
    assert "Binary files" in shown
    assert "0.99" not in shown


@attack(expect="GR202", succeeds_against=_git_hides_the_edit)
def not_shown(ground: Ground) -> None:
    """``-diff``: the reviewer is told that binary files differ."""
    attributes(ground, "models/** -diff")
    edit_record(ground)


def _a_diff_runs_it(ground: Ground) -> None:
    ground.git("checkout", "-q", "--force", "origin/main", folder=JUDGE)
    ground.git("diff", "origin/main", f"origin/{BRANCH}", folder=JUDGE)
    assert ground.canary.exists()


@attack(expect="GR202", succeeds_against=_a_diff_runs_it)
def shown_by_a_program(ground: Ground) -> None:
    """``diff=…``: a program of the reviewer's machine is run on what the attacker wrote."""
    attributes(ground, "models/** diff=show")
    ground.git("config", "diff.show.command", ground.payload, folder=JUDGE)
    ground.git("config", "diff.show.textconv", ground.payload, folder=JUDGE)
    edit_record(ground)


def _a_checkout_runs_it(ground: Ground) -> None:
    ground.git("checkout", "-q", "--force", f"origin/{BRANCH}", folder=JUDGE)
    assert ground.canary.exists()


@attack(outcome="harmless", succeeds_against=_a_checkout_runs_it)
def converted_by_a_program(ground: Ground) -> None:
    """``filter=…``: what is judged is not what is stored, but what a program makes of it."""
    attributes(ground, "*.yaml filter=canary")
    ground.git("config", "filter.canary.smudge", ground.payload, folder=JUDGE)
    ground.edit({MODEL: ground.read(MODEL).replace("Credit risk", "Credit risks")})


def _an_export_lacks_it(ground: Ground) -> None:
    listed = subprocess.run(
        ["tar", "-t"],
        input=subprocess.run(
            ["git", "archive", f"origin/{BRANCH}"], cwd=ground.clone, capture_output=True, check=True
        ).stdout,
        capture_output=True,
        check=True,
    )
    assert b"production.yaml" not in listed.stdout


@attack(expect="GR107", succeeds_against=_an_export_lacks_it)
def not_exported(ground: Ground) -> None:
    """``export-ignore``: who judges an archive of the tree does not see the file."""
    attributes(ground, "production.yaml export-ignore")
    ground.replace(f"{STAGES}/production.yaml", "version: 1,", "version: 99,")


# -- merges


def swap_pin(ground: Ground, stage: str, version: int) -> None:
    """Another version in a stage, by hand, with the serial as it was: so git's merge finds nothing in its way."""
    found = DIGEST.search(ground.read(f"{VERSIONS}/{version}/version.yaml"))
    assert found
    text = ground.read(f"{STAGES}/{stage}.yaml")
    pin = f'{{version: {version}, digest: "{found[0]}"}}'
    ground.edit({f"{STAGES}/{stage}.yaml": re.sub(r"\{version: \d+, digest: \S+\}", pin, text, count=1)})


def _git_carries_it_over(ground: Ground) -> None:
    """git takes the edited file for the one that moved, and edits that."""
    merges(ground)
    text = (ground.clone / "models/credit-scores/stages/production.yaml").read_text()
    assert "version: 3," in text


@attack(expect="GR201", succeeds_against=_git_carries_it_over)
def carried_over_by_rename_detection(ground: Ground) -> None:
    """A version goes live under a name that asks for no approval; meanwhile the model got one that asks for it."""
    lax = "overrides: [{models: [credit-risk], stages: {production: {approvals: null}}}]\n"
    ground.land({"policy.yaml": ground.read("policy.yaml") + lax})
    swap_pin(ground, "production", 3)
    ground.plan(lambda s: plan_rename(s, "credit-risk", "credit-scores", ground.desk.now), branch="main")


def _git_moves_the_file(ground: Ground) -> None:
    merges(ground)
    text = (ground.clone / f"{STAGES}/production.yaml").read_text()
    assert "stage: production" in text
    assert "version: 3," in text


@attack(expect="GR201", succeeds_against=_git_moves_the_file)
def carried_into_another_stage(ground: Ground) -> None:
    """A version in staging, whose file went meanwhile: git finds it again in ``production.yaml``."""
    ground.land({f"{STAGES}/production.yaml": None, "models/credit-risk/aliases/champion.yaml": None})
    swap_pin(ground, "staging", 3)
    moved = ground.read(f"{STAGES}/staging.yaml").replace("stage: staging", "stage: production")
    ground.land({f"{STAGES}/staging.yaml": None, f"{STAGES}/production.yaml": moved})


# -- which objects, which history


def lax_policy(ground: Ground) -> str:
    """The registry's policy without the guards of production; the id of its blob."""
    text = ground.read("policy.yaml").replace("    from: [staging]\n", "")
    return ground.blob(text.replace("    approvals: [{group: risk-owners, count: 1, expire: 14d}]\n", ""))


def share(ground: Ground, ref: str, target: str) -> None:
    """Pushes a ref to the origin, from where the judge fetches it."""
    ground.git("push", "-q", "origin", f"{target}:{ref}")
    ground.git("fetch", "-q", "origin", f"{ref}:{ref}", folder=JUDGE)


def _git_shows_the_lax_policy(ground: Ground) -> None:
    shown = ground.git("show", "origin/main:policy.yaml", folder=JUDGE)
    assert "from: [staging]" not in shown


@attack(expect=("GR301", "GR401"), succeeds_against=_git_shows_the_lax_policy)
def replaced_policy(ground: Ground) -> None:
    """A replace ref: whoever reads the policy's blob gets another one."""
    lax = lax_policy(ground)
    share(ground, f"refs/replace/{ground.git('rev-parse', 'origin/main:policy.yaml')}", lax)
    skip_staging(ground)


@attack(expect=("GR301", "GR401"), succeeds_against=_git_shows_the_lax_policy)
def replaced_base(ground: Ground) -> None:
    """A replace ref: whoever reads the base's commit gets one with another policy."""
    entries = ground.entries(f"{ground.tip()}^{{tree}}")
    entries["policy.yaml"] = ("100644", "policy.yaml", lax_policy(ground))
    lax = ground.commit(ground.raw_tree(entries.values()), f"{ground.tip()}~1")
    share(ground, f"refs/replace/{ground.tip()}", lax)
    skip_staging(ground)


def skip_staging(ground: Ground) -> None:
    """Version 3 goes from nowhere to production."""
    ground.plan(promote(3, "staging"), promote(3, "production"))


def _git_finds_nothing_new(ground: Ground) -> None:
    base = ground.git("merge-base", "origin/main", f"origin/{BRANCH}", folder=JUDGE)
    assert base == ground.tip(BRANCH)


def edit_record_beside(ground: Ground) -> str:
    """The edit of a record on a branch that parted from the base a commit ago."""
    start = ground.git("rev-parse", f"{ground.tip()}~1")
    text = ground.read(RECORD).replace("roc_auc: 0.9", "roc_auc: 0.99")
    return ground.push(ground.commit(ground.tree({RECORD: text}, start), start))


@attack(expect="GR202", succeeds_against=_git_finds_nothing_new)
def graft(ground: Ground) -> None:
    """A graft that makes the branch part of the base's history: there is nothing in it to be judged."""
    commit = edit_record_beside(ground)
    grafts = ground.judge / ".git" / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{ground.tip()} {commit}\n")


@attack(expect="GR202", succeeds_against=_git_finds_nothing_new)
def replaced_parents(ground: Ground) -> None:
    """The same, by a replace ref."""
    commit = edit_record_beside(ground)
    share(ground, f"refs/replace/{ground.tip()}", ground.commit(f"{ground.tip()}^{{tree}}", commit))


def shallow(ground: Ground, depth: int) -> None:
    """The judge's clone knows only the newest commits, as in CI."""
    shutil.rmtree(ground.judge)
    origin = ground.desk.origin.as_uri()
    ground.git("clone", "-q", "--no-single-branch", f"--depth={depth}", origin, JUDGE, folder=".")


@attack(expect_error=(3, "shallow"))
def shallow_history(ground: Ground) -> None:
    """Without the commit where the branch parts from the base, the whole tree is new, or nothing is."""
    edit_record(ground)
    shallow(ground, 1)


@attack(expect="GR306", outcome="undecided")
def history_too_shallow_for_a_soak(ground: Ground) -> None:
    """As far as the clone knows, the version has always been in staging."""
    policy = ground.read("policy.yaml").replace(
        "    from: [staging]\n", "    from: [staging]\n    soak: {in: staging, for: 52w}\n"
    )
    need = "    approvals: [{group: risk-owners, count: 1, expire: 14d}]\n"
    assert need in policy
    ground.land({"policy.yaml": policy.replace(need, "")})
    ground.plan(promote(2, "production"))
    shallow(ground, 2)


@attack(expect_error=(1, "no history in common"))
def history_of_its_own(ground: Ground) -> None:
    """A branch that begins anew: its tree replaces everything, without having changed anything."""
    ground.push(ground.commit(f"{ground.tip()}^{{tree}}"))


# -- names of refs


def _git_takes_the_tag(ground: Ground) -> None:
    assert ground.git("rev-parse", "main", folder=JUDGE) != ground.tip()


def tagged(ground: Ground, name: str) -> None:
    """A tag that bears a branch's name, at a base of the attacker's with a lax policy; as plain git fetches tags."""
    entries = ground.entries(f"{ground.tip()}^{{tree}}")
    entries["policy.yaml"] = ("100644", "policy.yaml", lax_policy(ground))
    lax = ground.commit(ground.raw_tree(entries.values()), ground.tip())
    share(ground, f"refs/tags/{name}", lax)
    skip_staging(ground)


@attack(expect_error=(2, "ambiguous"), succeeds_against=_git_takes_the_tag)
def tag_named_like_the_base(ground: Ground) -> None:
    """git prefers a tag to a branch: ``--base main`` is the attacker's, policy and all."""
    tagged(ground, "main")


@attack(expect_error=(2, "ambiguous"))
def tag_named_like_the_remote_branch(ground: Ground) -> list[str]:
    """The same, for who says ``origin/main``."""
    tagged(ground, "origin/main")
    return ["verify", "--base", "origin/main", "--head", BRANCH, "--format", "json"]


def option(ground: Ground) -> str:
    """What git takes for an option that runs a command, and for a branch's name."""
    return f"--upload-pack=touch${{IFS}}{ground.canary}"


@attack(expect="GR202")
def branch_named_like_an_option(ground: Ground) -> list[str]:
    """A branch whose name makes a command of git's run another one."""
    commit = edit_record(ground)
    ground.git("push", "-q", "origin", f"{commit}:refs/heads/{option(ground)}")
    return ["verify", "--base", "main", f"--head={option(ground)}", "--format", "json"]


@attack(expect_error=(1, "no revision"))
def revision_that_is_an_option(ground: Ground) -> list[str]:
    """The same, without such a branch."""
    return ["verify", f"--base={option(ground)}", "--head", "main", "--format", "json"]


@attack(expect="GR202")
def request_for_a_branch_named_like_an_option(ground: Ground) -> list[str]:
    """A change request for that branch: whoever judges it fetches and merges it by name."""
    commit = edit_record(ground)
    ground.git("update-ref", f"refs/heads/{option(ground)}", commit)
    ground.gitreg("change", "open", "--", option(ground))
    return ["verify", "1", "--format", "json"]


@attack(expect=("GR103", "GR105"))
def model_named_like_an_option(ground: Ground) -> None:
    """A model whose name turns a script's ``gitreg show $MODEL`` into something else."""
    ground.edit({"models/--output=x/model.yaml": "apiVersion: gitreg/v1\nkind: Model\nname: --output=x\n"})


@attack(expect_error=(2, "-C"))
def reference_that_is_an_option(ground: Ground) -> list[str]:
    """A reference that sends the reader to another folder."""
    return ["resolve", "--", "-C/production"]


# -- addresses


def _git_runs_it(address: Callable[[Ground], str]) -> Callable[[Ground], None]:
    def show(ground: Ground) -> None:
        ground.git("-c", "protocol.ext.allow=always", "ls-remote", address(ground), check=False)
        assert ground.canary.exists()

    return show


def command_address(ground: Ground) -> str:
    """An address that is a command."""
    return f"ext::sh -c touch%{ground.canary}".replace("touch%", "touch% ")


@attack(expect_error=(2, "transport program"), succeeds_against=_git_runs_it(command_address))
def address_that_is_a_command(ground: Ground) -> list[str]:
    """``-R`` with an address that git runs."""
    return ["-R", command_address(ground), "list"]


@attack(expect_error=(2, "not allowed"), succeeds_against=_git_runs_it(command_address))
def origin_that_is_a_command(ground: Ground) -> list[str]:
    """A clone whose origin is a command, on a machine that lets git run such."""
    ground.git("config", "protocol.ext.allow", "always", folder=JUDGE)
    ground.git("remote", "set-url", "origin", command_address(ground), folder=JUDGE)
    return ["verify", "1"]


@attack(expect_error=(2, "there is no folder"))
def address_that_is_an_option(ground: Ground) -> list[str]:
    """``-R`` with an option that runs a command."""
    return ["-R", f"--upload-pack=touch {ground.canary}:", "list"]


@attack(expect_error=(2, "no protocol that gitreg uses"))
def host_that_is_an_option(ground: Ground) -> list[str]:
    """``-R`` with a host that ssh takes for an option."""
    return ["-R", f"ssh://-oProxyCommand=touch${{IFS}}{ground.canary}/x", "list"]


@attack(expect_error=(2, "no folder"))
def scp_host_that_is_an_option(ground: Ground) -> list[str]:
    """The same, in the short form of such addresses."""
    return ["-R", f"-oProxyCommand=touch${{IFS}}{ground.canary}:x", "list"]


def _git_runs_the_monitor(ground: Ground) -> None:
    git(ground.judge / "library", "status", check=False)
    assert ground.canary.exists()


@attack(outcome="harmless", succeeds_against=_git_runs_the_monitor)
def repository_in_the_repository(ground: Ground) -> list[str]:
    """A folder that is a bare repository, with a configuration that runs a command, for who works in that folder."""
    config = (
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = worktree\n"
        f'\tfsmonitor = "{ground.payload}; false"\n'
    )
    files = {"HEAD": "ref: refs/heads/main\n", "config": config}
    files |= {f"{folder}/x": "" for folder in ("objects", "refs", "worktree")}
    ground.edit({f"library/{path}": text for path, text in files.items()})
    ground.git("fetch", "-q", "origin", folder=JUDGE)
    ground.git("checkout", "-q", f"origin/{BRANCH}", folder=JUDGE)
    return ["-C", os.fspath(ground.judge / "library"), "verify", "--head", BRANCH]


# -- what a forge, a terminal or a log reads

COMMAND = "::error file=x::pwned"
OLD_COMMAND = "##[error]pwned"
MARKUP = (
    "@alice closes #1 [skip ci] <img src=x onerror=alert(1)> ![x](http://192.0.2.1/x) [x](javascript:x) | `"
)
CONTROL = "\x1b[2J\x1b[31m"


def _no_log_command(ground: Ground, ran: Ran) -> None:
    """A runner obeys lines that begin with ``::``, and ``##[…]`` anywhere."""
    assert "pwned" in ran.out
    for line in (ran.out + ran.err).splitlines():
        assert line.isprintable(), line
        if not re.match(r"::(?:error|warning|notice) [^:]*title=GR\d+::", line):  # gitreg's own
            assert not line.lstrip().startswith("::"), line
            assert "##[" not in line


def odd_file(ground: Ground) -> None:
    """A file that every format names."""
    path = f"models/{COMMAND}\n{COMMAND}\n{OLD_COMMAND}{CONTROL}"
    ground.push(ground.commit(ground.tree({path: "x\n"}, ground.tip()), ground.tip()))


@attack(expect="GR103", then=_no_log_command)
def log_commands_in_a_path_as_text(ground: Ground) -> list[str]:
    """A line of the output that the CI's runner obeys."""
    odd_file(ground)
    return ["verify", "--base", "main", "--head", BRANCH]


@attack(expect="GR103", then=_no_log_command)
def log_commands_in_a_path_for_github(ground: Ground) -> list[str]:
    """The same, in the format that consists of such lines."""
    odd_file(ground)
    return ["verify", "--base", "main", "--head", BRANCH, "--format", "github"]


def _body_is_inert(ground: Ground, ran: Ran) -> None:
    """Nothing in it is a mention, a reference, a command of a forge, an image, a link or markup."""
    stored = json.loads(git(ground.desk.origin, "cat-file", "blob", "refs/gitreg/requests/1"))["body"]
    for body in (stored, json.loads(ran.out)["body"]):
        assert "alice" in body
        for text in ("@alice", "closes #", "[skip ci]"):
            assert text not in body
        rendered = re.sub(r"`[^`\n]*`", "", body)
        for text in ("<img", "![", "](", "\x1b"):
            assert text not in rendered


@attack(outcome="harmless", then=_body_is_inert)
def markup_in_notes(ground: Ground) -> list[str]:
    """Notes that mention people, close issues, skip the CI, or load an image in the change request."""
    notes = {("description",): MARKUP, ("tags",): {"a": MARKUP}, ("card",): {MARKUP[:40]: MARKUP}}
    ground.plan(lambda s: plan_annotate(s, "credit-risk", 1, notes), title=f"{MARKUP}{CONTROL}{COMMAND}")
    open_request(ground)
    return ["change", "show", "1", "--format", "json"]


@attack(outcome="harmless", then=_body_is_inert)
def markup_in_a_record(ground: Ground) -> list[str]:
    """The same in what a record says of its origin: names, parameters, requirements."""
    said = {
        "params": {"solver": MARKUP, MARKUP[:60]: 1},
        "environment": {"requirements": [MARKUP[:100]]},
        "source": {"commit": "abc", "run": {"system": "mlflow", "id": MARKUP[:60]}},
    }
    ground.edit(ground.new_version(**said))
    open_request(ground)
    return ["change", "show", "1", "--format", "json"]


@attack(outcome="harmless", then=_body_is_inert)
def markup_in_an_origin(ground: Ground) -> list[str]:
    """The same in where an imported version says that it comes from, which stands in titles and lines of their own."""
    origin = ImportedFrom("mlflow", MARKUP, MARKUP, MARKUP[:60])
    ground.edit(ground.new_version(imported_from=origin))
    open_request(ground)
    return ["change", "show", "1", "--format", "json"]


def open_request(ground: Ground) -> None:
    """The attacker asks for what he pushed."""
    ground.git("fetch", "-q", "origin")
    ground.git("update-ref", f"refs/heads/{BRANCH}", f"origin/{BRANCH}")
    ground.gitreg("change", "open", BRANCH)


@attack(outcome="harmless", then=_no_log_command)
def log_commands_in_a_title(ground: Ground) -> list[str]:
    """A request whose title clears the screen, or is a command of the runner."""
    ground.edit({MODEL: ground.read(MODEL) + "task: x\n"}, title=f"{COMMAND}{CONTROL}{OLD_COMMAND}")
    open_request(ground)
    return ["change", "list"]


@attack(outcome="harmless", then=_no_log_command)
def log_commands_in_a_forged_request(ground: Ground) -> list[str]:
    """A request that was written by hand, with a text of its own."""
    ground.edit({MODEL: ground.read(MODEL) + "task: x\n"})
    open_request(ground)
    ref = "refs/gitreg/requests/1"
    request = json.loads(git(ground.desk.origin, "cat-file", "blob", ref))
    request |= {
        "state": "closed",
        "title": f"{COMMAND}\n{COMMAND}",
        "body": f"x\n{COMMAND}\n  {COMMAND}\n{OLD_COMMAND}{CONTROL}",
    }
    ground.git("push", "-q", "-f", "origin", f"{ground.blob(json.dumps(request))}:{ref}")
    return ["change", "show", "1"]


@attack(outcome="harmless", then=_no_log_command)
def log_commands_in_notes_as_text(ground: Ground) -> list[str]:
    """Notes that are printed."""
    notes = {("description",): f"x\n{COMMAND}\n{OLD_COMMAND}"}
    ground.plan(lambda s: plan_annotate(s, "credit-risk", 1, notes))
    ground.git("fetch", "-q", "origin", folder=JUDGE)
    return ["show", "credit-risk/1", "--rev", f"origin/{BRANCH}"]
