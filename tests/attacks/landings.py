"""What lies between a branch and the registry's branch: inner commits, merges, dates, refs, and who pushes."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta

from flow_kit import git, promote

from attacks.attack_kit import BRANCH, Ground, attack, symlink
from attacks.attack_words import says
from gitreg.adapters.git.hook import HookSettings, install
from gitreg.flows.verify import verify

RECORD = "models/credit-risk/versions/3/version.yaml"
POINTER = "models/credit-risk/versions/3/model.onnx.dvc"
NOTES = "models/credit-risk/versions/3/notes.yaml"
MODEL = "models/credit-risk/model.yaml"
DESCRIBED = "apiVersion: gitreg/v1\nkind: VersionNotes\nmodel: credit-risk\nversion: 3\ndescription: {}\n"
VALIDATE = ["validate", "--committed", "--format", "json"]


def described(ground: Ground, text: str) -> str:
    """A harmless commit on the attacker's branch."""
    return ground.edit({NOTES: DESCRIBED.format(text)})


# -- inside a branch


def _an_inner_commit_says_so(ground: Ground) -> None:
    """Once it is merged, ``git show`` of the commit between gives other metrics for the same version."""
    inner = git(ground.desk.origin, "rev-parse", f"{BRANCH}~1")
    assert "0.99" in git(ground.desk.origin, "show", f"{inner}:{RECORD}")
    ground.git("fetch", "-q", "origin")
    ground.git("checkout", "-q", "-B", "merged", "origin/main")
    ground.git("merge", "-q", "--no-ff", "-m", "merge", f"origin/{BRANCH}")
    assert ground.git("diff", "--name-only", "origin/main", "merged") == NOTES


@attack(
    expect="GR209",
    then=says("gives the record other content"),
    succeeds_against=_an_inner_commit_says_so,
)
def record_edited_then_restored(ground: Ground) -> None:
    """A version looks better in a commit that nobody looks at, and whose id may be cited as proof."""
    text = ground.read(RECORD)
    ground.edit({RECORD: text.replace("0.9", "0.99")})
    ground.edit({RECORD: text, NOTES: DESCRIBED.format("harmless")})


@attack(expect="GR209", then=says("removes the record for a while"))
def record_removed_then_restored(ground: Ground) -> None:
    """Between two commits the version does not exist, nor what its number is taken by."""
    text = ground.read(RECORD)
    ground.edit({RECORD: None})
    ground.edit({RECORD: text, NOTES: DESCRIBED.format("harmless")})


@attack(expect="GR209", then=says("gives the record other content"))
def bytes_exchanged_inside_a_branch(ground: Ground) -> None:
    """Whoever pulls at the inner commit gets other bytes under the number of a version."""
    text = ground.read(POINTER)
    ground.edit({POINTER: ground.read("models/credit-risk/versions/2/model.onnx.dvc")})
    ground.edit({POINTER: text, NOTES: DESCRIBED.format("harmless")})


@attack(expect="GR209", then=says("something else than a plain file"))
def symlink_inside_a_branch(ground: Ground) -> None:
    """A checkout of the inner commit reads, or writes, where the link leads."""
    text = ground.read(MODEL)
    ground.edit({MODEL: symlink(os.fspath(ground.sentinel / "untouched"))})
    ground.edit({MODEL: text, NOTES: DESCRIBED.format("harmless")})


@attack(expect="GR209", then=says("that gitreg does not know"))
def artifact_inside_a_branch(ground: Ground) -> None:
    """Megabytes that a later commit removes: everybody fetches them with every clone."""
    ground.edit({"models/credit-risk/versions/3/model.onnx": os.urandom(2 << 20)})
    ground.edit({"models/credit-risk/versions/3/model.onnx": None, NOTES: DESCRIBED.format("harmless")})


@attack(expect="GR209", then=says("makes it larger than 64 KiB"))
def large_notes_inside_a_branch(ground: Ground) -> None:
    """The same with a file that gitreg knows."""
    ground.edit({NOTES: DESCRIBED.format("x" * (1 << 20))})
    described(ground, "harmless")


@attack(expect="GR209", then=says("gives the record other content"))
def hidden_behind_a_merge_inside_a_branch(ground: Ground) -> None:
    """The commit is not on the branch's own line, but on one that was merged into it."""
    text = ground.read(RECORD)
    first = described(ground, "harmless")
    side = ground.commit(ground.tree({RECORD: text.replace("0.9", "0.99")}, first), first)
    restored = ground.commit(ground.tree({RECORD: text}, side), side)
    ground.push(ground.commit(ground.tree({}, first), first, restored))


@attack(expect="GR209", then=says("gives the record other content"))
def written_by_the_merge_itself(ground: Ground) -> None:
    """A merge whose tree is neither side's, and is put right afterwards."""
    text = ground.read(RECORD)
    first = described(ground, "one")
    side = ground.commit(ground.tree({"README": "x"}, first), first)
    evil = ground.commit(ground.tree({RECORD: text.replace("0.9", "0.99")}, first), first, side)
    ground.push(ground.commit(ground.tree({RECORD: text}, evil), evil))


@attack(expect="GR209", outcome="undecided", then=says("there are more than 1000"))
def a_thousand_commits(ground: Ground) -> None:
    """Nobody has the patience to look at each of them."""
    tip = ground.tip()
    stream = [f"reset refs/heads/{BRANCH}\nfrom {tip}\n"]
    for number in range(1002):
        text = DESCRIBED.format(f"step {number}")
        stream.append(
            f"commit refs/heads/{BRANCH}\ncommitter Dan <dan@example.com> 1796083200 +0000\n"
            f"data 1\nx\nM 100644 inline {NOTES}\ndata {len(text)}\n{text}\n"
        )
    ground.git("fast-import", "--quiet", "--force", stdin="".join(stream).encode())
    ground.git("push", "-q", "origin", f"+{BRANCH}:{BRANCH}")


# -- on the registry's branch, where nothing kept it off


def _audited(ground: Ground, begin: str) -> list[str]:
    return ["audit", "--since", begin, "--format", "json"]


@attack(expect="GR208", then=says("makes something else of this file"))
def merged_by_hand(ground: Ground) -> list[str]:
    """What was reviewed is a branch; what the merge makes live is another version."""
    begin = ground.tip()
    head = described(ground, "harmless")
    production = ground.read("models/credit-risk/stages/production.yaml")
    evil = ground.tree({"models/credit-risk/stages/production.yaml": f"{production}# and more\n"}, head)
    ground.push(ground.commit(evil, begin, head), "main")
    return _audited(ground, begin)


@attack(expect="GR208", then=says("3 parents"))
def octopus(ground: Ground) -> list[str]:
    """Of a merge of several branches nobody knows which one brought what."""
    begin = ground.tip()
    head = described(ground, "harmless")
    other = ground.commit(ground.tree({"README": "x"}, begin), begin)
    ground.push(ground.commit(ground.tree({"README": "x"}, head), begin, head, other), "main")
    return _audited(ground, begin)


@attack(expect="GR210", then=says("before its parent"))
def dated_before_its_parent(ground: Ground) -> list[str]:
    """So that a stage seems to have been as it is for longer than it was."""
    begin = ground.tip()
    when = ground.desk.now - timedelta(days=300)
    ground.plan(promote(3, "staging"), branch="main", when=when)
    return _audited(ground, begin)


@attack(expect=("GR311", "GR401"), then=says("lets nothing land without one"))
def landed_around_the_rules(ground: Ground) -> list[str]:
    """Who may push to the registry's branch needs no request and no approval."""
    begin = ground.tip()
    ground.plan(promote(2, "production"), branch="main")
    return _audited(ground, begin)


@attack(expect="GR311")
def taken_back_again(ground: Ground) -> list[str]:
    """A version was live for an hour; the tree tells nothing of it afterwards."""
    begin = ground.tip()
    tree = f"{begin}^{{tree}}"
    ground.plan(promote(2, "production"), branch="main")
    ground.desk.later(hours=1)
    ground.push(ground.commit(git(ground.desk.origin, "rev-parse", tree), ground.tip()), "main")
    return _audited(ground, begin)


# -- where a hook guards it


SOAK = "    from: [staging]\n    soak: {in: staging, for: 2h}\n"


def guarded(ground: Ground) -> None:
    """The hook guards the origin, by the machine's clock, which is everybody's from here on."""
    ground.desk.now = datetime.now(UTC).replace(microsecond=0)
    install(ground.desk.origin, HookSettings("main", remote=os.fspath(ground.desk.artifacts)))


def refused(ground: Ground, commit: str, *says: str, refs: tuple[str, ...] = ("refs/heads/main",)) -> None:
    """A push (forced, to one ref or several) that the hook refuses for reasons that it gives."""
    command = ["git", "push", "origin", *(f"+{commit}:{ref}" for ref in refs)]
    before = ground.desk.refs()
    done = subprocess.run(command, cwd=ground.clone, capture_output=True, text=True, check=False)
    assert done.returncode, "the push was taken"
    for text in says:
        assert text in done.stderr, done.stderr
    assert ground.desk.refs() == before


def _back_dated(ground: Ground) -> str:
    base = ground.tip()
    edits = promote(3, "staging")(ground.snapshot()).edits
    ground.git("fetch", "-q", "origin")
    return ground.commit(ground.tree(edits, base), base, when=ground.desk.now - timedelta(hours=3))


def _soaks_at_once_without_the_hook(ground: Ground) -> None:
    """git takes any date: the soak of two hours is over the moment that it begins."""
    (ground.desk.origin / "hooks" / "pre-receive").unlink()
    ground.push(_back_dated(ground), "main")
    ground.plan(promote(3, "production"))
    ws = ground.desk("bo")
    ws.repository.fetch()
    verdict = verify(ws, ws.tip(), ws.repository.resolve(f"origin/{BRANCH}"))
    assert "GR306" not in {finding.rule for finding in verdict.findings}


@attack(outcome="harmless", succeeds_against=_soaks_at_once_without_the_hook)
def back_dated_against_a_soak(ground: Ground) -> list[str]:
    """A version enters staging now, by a commit of three hours ago, and goes on to production at once."""
    old = datetime(2026, 11, 22, tzinfo=UTC)
    ground.land({"policy.yaml": ground.read("policy.yaml").replace("    from: [staging]\n", SOAK)}, when=old)
    guarded(ground)
    refused(ground, _back_dated(ground), "GR210", "but it is")
    return VALIDATE


@attack(outcome="harmless")
def history_rewritten(ground: Ground) -> list[str]:
    """The commit that took a version down is taken out of history."""
    guarded(ground)
    refused(ground, f"{ground.tip()}~1", "GR601", "only goes on")
    refused(ground, "", "GR601", "never deleted")
    return VALIDATE


@attack(outcome="harmless")
def the_line_swapped(ground: Ground) -> list[str]:
    """A merge the wrong way round: the attacker's commits become the registry's line, and were never judged."""
    guarded(ground)
    tip = ground.tip()
    own = ground.commit(ground.tree({"README": "x"}, f"{tip}~1"), f"{tip}~1")
    foxtrot = ground.commit(ground.tree({"README": "x"}, tip), own, tip)
    refused(ground, foxtrot, "GR601", "first parents must lead back")
    return VALIDATE


@attack(outcome="harmless")
def in_another_s_name(ground: Ground) -> list[str]:
    """The commit says that Alice wrote it."""
    guarded(ground)
    text = ground.read("gitreg.yaml").replace("enforcement: requests", "enforcement: hook")
    tip = ground.tip()
    forged = ground.commit(ground.tree({"gitreg.yaml": text}, tip), tip, who="alice")
    refused(ground, forged, "GR311")
    return VALIDATE


@attack(outcome="harmless")
def loosened_in_a_stack(ground: Ground) -> list[str]:
    """One push of two commits: the first takes the approvals out of the policy, the second needs none any more."""
    guarded(ground)
    tip = ground.tip()
    lax = ground.read("policy.yaml").replace(
        "    approvals: [{group: risk-owners, count: 1, expire: 14d}]\n", ""
    )
    first = ground.commit(ground.tree({"policy.yaml": lax}, tip), tip)
    edits = promote(2, "production")(ground.snapshot()).edits
    refused(ground, ground.commit(ground.tree(edits, first), first), "changing the rules needs 1 approval")
    return VALIDATE


@attack(outcome="harmless")
def refs_that_change_what_git_reads(ground: Ground) -> list[str]:
    """Replace refs, tags that shadow branches, notes, and names of gitreg's own."""
    guarded(ground)
    tip = ground.tip()
    foreign = f"refs/replace/{tip}", "refs/tags/main", "refs/notes/commits", "refs/remotes/origin/main"
    own = "refs/gitreg/requests/x", "refs/gitreg/hub", "refs/gitreg/approvals/a/b/c", "refs/gitreg/else"
    reasons = [f"GR601 {ref}: only branches and gitreg's own refs" for ref in foreign]
    refused(ground, f"{tip}~1", *reasons, *(f"GR601 {ref}: " for ref in own), refs=(*foreign, *own))
    return VALIDATE


@attack(outcome="harmless")
def the_hook_of_the_attacker(ground: Ground) -> list[str]:
    """Files of the repository that Python, git or a shell might run in the hook: modules, hooks, configuration."""
    guarded(ground)
    tip = ground.tip()
    script = f"import os\nos.system({ground.payload!r})\n"
    edits = {
        "gitreg/__init__.py": script,
        "sitecustomize.py": script,
        "yaml.py": script,
        ".git_/hooks/post-receive": f"#!/bin/sh\n{ground.payload}\n",
        ".gitattributes": "* filter=run\n",
    }
    refused(ground, ground.commit(ground.tree(edits, tip), tip), "GR311")
    return VALIDATE
