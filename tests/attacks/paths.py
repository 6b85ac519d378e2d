"""Paths that lead somewhere else, look like another, or that some system cannot hold; and what stands at them."""

from __future__ import annotations

import os
import unicodedata

from attacks.attack_kit import BRANCH, Ground, attack, executable, submodule, symlink

MODEL = "models/credit-risk/model.yaml"
PRODUCTION = "models/credit-risk/stages/production.yaml"
VERSIONS = "models/credit-risk/versions"
OTHER = "apiVersion: gitreg/v1\nkind: Model\nname: {name}\n"


def check_out(ground: Ground, *settings: str) -> None:
    """Plain git checks the attack out in the attacker's own clone."""
    ground.git(*settings, "checkout", "-q", "--force", "--detach", f"origin/{BRANCH}")


# -- what is no plain file


def _a_checkout_reads_through_it(ground: Ground) -> None:
    check_out(ground)
    assert (ground.clone / MODEL).read_text() == "untouched\n"


@attack(expect="GR104", succeeds_against=_a_checkout_reads_through_it)
def symlinked_manifest(ground: Ground) -> None:
    """Whoever reads the checkout reads a file from outside of it."""
    ground.edit({MODEL: symlink(os.fspath(ground.sentinel / "untouched"))})


@attack(expect="GR104")
def symlinked_pointer(ground: Ground) -> None:
    """A stage that follows another file wherever that goes, without a change of its own."""
    ground.edit({PRODUCTION: symlink("staging.yaml")})


@attack(expect=("GR104", "GR103"))
def symlinked_folder(ground: Ground) -> None:
    """A version whose files are another version's."""
    ground.edit({f"{VERSIONS}/4": symlink("3")})


@attack(expect="GR104")
def symlinked_model(ground: Ground) -> None:
    """A model that is another model under its name."""
    ground.edit({"models/fraud": symlink("credit-risk")})


@attack(expect="GR104")
def symlinked_models(ground: Ground) -> None:
    """All of ``models/`` from somewhere else."""
    ground.edit({**dict.fromkeys(_all_of(ground, "models")), "models": symlink("../elsewhere")})


@attack(expect="GR104")
def symlinked_rules(ground: Ground) -> None:
    """A policy that is a file of the attacker's, which changes without anybody's approval."""
    ground.edit({"policy.yaml": symlink("docs/policy.yaml"), "docs/policy.yaml": ground.read("policy.yaml")})


@attack(expect="GR104")
def symlinked_dvc_folder(ground: Ground) -> None:
    """A DVC configuration that is any folder of the machine."""
    ground.edit({".dvc/config": None, ".dvc": symlink("/tmp")})


@attack(expect="GR104")
def executable_manifest(ground: Ground) -> None:
    """A manifest that a shell runs."""
    ground.edit({MODEL: executable(f"#!/bin/sh\n{ground.payload}\n")})


@attack(expect="GR104")
def executable_bit_alone(ground: Ground) -> None:
    """The same bytes with another mode, which shows as no difference of content."""
    ground.edit({MODEL: executable(ground.read(MODEL))})


@attack(expect="GR104")
def group_writable_mode(ground: Ground) -> None:
    """A mode of git's early days, which git itself shows as an ordinary file's."""
    tree = _with_mode(ground, "100664")
    ground.push(ground.commit(tree, ground.tip()))


def _with_mode(ground: Ground, mode: str) -> str:
    """The registry's tree with another mode at the model's manifest."""
    folders = ["", "models", "models/credit-risk"]
    listings = [ground.entries(f"{ground.tip()}:{folder}") for folder in folders]
    listings[-1]["model.yaml"] = (mode, "model.yaml", listings[-1]["model.yaml"][2])
    inner = ground.raw_tree(listings[2].values())
    listings[1]["credit-risk"] = ("040000", "credit-risk", inner)
    listings[0]["models"] = ("040000", "models", ground.raw_tree(listings[1].values()))
    return ground.raw_tree(listings[0].values())


@attack(expect="GR104")
def submodule_as_manifest(ground: Ground) -> None:
    """A manifest that lies in a repository of the attacker's."""
    ground.edit({MODEL: submodule("1" * 40)})


@attack(expect="GR104")
def submodule_as_version(ground: Ground) -> None:
    """A version that lies in a repository of the attacker's."""
    ground.edit({f"{VERSIONS}/4": submodule("1" * 40), ".gitmodules": _gitmodules(ground, f"{VERSIONS}/4")})


@attack(outcome="harmless")
def submodule_that_runs_a_command(ground: Ground) -> None:
    """Beside the registry, a submodule that runs a command where it is updated."""
    ground.edit({"library": submodule("1" * 40), ".gitmodules": _gitmodules(ground, "library")})


def _gitmodules(ground: Ground, path: str) -> str:
    return f'[submodule "x"]\n\tpath = {path}\n\turl = ext::sh -c {ground.payload}\n\tupdate = !{ground.payload}\n'


# -- paths out of the repository, or into git's own folder


def raw(ground: Ground, *entries: tuple[str, str], below: str = "") -> None:
    """Pushes the registry with further files of odd names, in its root or in a folder of it."""
    oid = ground.blob("x\n")
    names = [below] if below else []
    tree = ground.raw_tree([*_listing(ground, below), *((mode, name, oid) for mode, name in entries)])
    for folder in names:
        tree = _around(ground, folder, tree)
    ground.push(ground.commit(tree, ground.tip()))


def _listing(ground: Ground, folder: str) -> list[tuple[str, str, str]]:
    return list(ground.entries(f"{ground.tip()}:{folder}").values())


def _around(ground: Ground, folder: str, tree: str) -> str:
    """The registry's tree with another one at a folder."""
    above, _, name = folder.rpartition("/")
    entries = ground.entries(f"{ground.tip()}:{above}")
    entries[name] = ("040000", name, tree)
    made = ground.raw_tree(entries.values())
    return _around(ground, above, made) if above else made


def _all_of(ground: Ground, folder: str) -> list[str]:
    return ground.git("ls-tree", "-r", "--name-only", "origin/main", folder).splitlines()


@attack(expect_error=(3, "is corrupt"))
def dot_dot(ground: Ground) -> None:
    """A file above the folder that a tool unpacks the tree into."""
    inner = ground.raw_tree([("100644", "escaped", ground.blob("x\n"))])
    tree = ground.raw_tree([*_listing(ground, ""), ("040000", "..", inner)])
    ground.push(ground.commit(tree, ground.tip()))


@attack(expect_error=(3, "is corrupt"))
def dot_dot_below_models(ground: Ground) -> None:
    """A file that reads as one of another model."""
    inner = ground.raw_tree([("100644", "model.yaml", ground.blob(OTHER.format(name="x")))])
    models = ground.raw_tree([*_listing(ground, "models"), ("040000", "..", inner)])
    ground.push(ground.commit(_around(ground, "models", models), ground.tip()))


@attack(expect="GR211")
def dot_git(ground: Ground) -> None:
    """A hook in the repository of whoever checks the tree out."""
    hook = ground.raw_tree([("100755", "post-checkout", ground.blob(f"#!/bin/sh\n{ground.payload}\n"))])
    folder = ground.raw_tree([("040000", "hooks", hook)])
    tree = ground.raw_tree([*_listing(ground, ""), ("040000", ".git", folder)])
    ground.push(ground.commit(tree, ground.tip()))


@attack(expect="GR211")
def dot_git_in_another_case(ground: Ground) -> None:
    """The same, on a file system that ignores case."""
    raw(ground, ("100644", ".GIT"))


@attack(expect="GR211")
def dot_git_by_its_short_name(ground: Ground) -> None:
    """The same, on one that knows files by a short name, too."""
    raw(ground, ("100644", "git~1"))


@attack(expect="GR211")
def dot_git_with_an_ignored_character(ground: Ground) -> None:
    """The same, on one that leaves characters of no width out."""
    raw(ground, ("100644", ".g\u200cit"))


@attack(expect="GR211")
def backslash(ground: Ground) -> None:
    """A name that is a path of another model on Windows."""
    raw(ground, ("100644", "models\\credit-risk\\stages\\production.yaml"))


@attack(expect="GR103")
def backslash_below_models(ground: Ground) -> None:
    """The same, where the registry's files are."""
    raw(ground, ("100644", "stages\\production.yaml"), below="models/credit-risk")


@attack(expect="GR103")
def device(ground: Ground) -> None:
    """A model that Windows takes for a device, so that the repository cannot be checked out there."""
    ground.edit({"models/aux/model.yaml": OTHER.format(name="aux")})


@attack(expect="GR105")
def device_as_stage(ground: Ground) -> None:
    """The same, as a stage with an extension."""
    text = ground.read(PRODUCTION).replace("stage: production", "stage: con")
    ground.edit({"models/credit-risk/stages/con.yaml": text})


@attack(expect="GR103")
def alternate_stream(ground: Ground) -> None:
    """A name that writes into another file on Windows."""
    raw(ground, ("100644", "model.yaml:hidden"), below="models/credit-risk")


@attack(expect="GR103")
def trailing_dot(ground: Ground) -> None:
    """A name that loses its end on Windows, and is then another file's."""
    raw(ground, ("100644", "model.yaml."), below="models/credit-risk")


@attack(expect_error=(3, "is corrupt"))
def absolute_path(ground: Ground) -> None:
    """A name with a slash in it, which a tree cannot have."""
    raw(ground, ("100644", "/etc/passwd"))


@attack(expect="GR103")
def newline_in_a_path(ground: Ground) -> None:
    """A name that is two lines for whoever reads a list of paths."""
    raw(ground, ("100644", "x\npolicy.yaml"), below="models/credit-risk")


@attack(expect="GR103")
def bytes_that_are_no_text(ground: Ground) -> None:
    """A name that cannot be printed."""
    raw(ground, ("100644", os.fsdecode(b"caf\xe9")), below="models/credit-risk")


# -- names that are one for some file systems


@attack(expect="GR105")
def models_in_two_cases(ground: Ground) -> None:
    """Two models that are one folder on macOS and Windows: which one is checked out last wins."""
    ground.edit({"models/Credit-Risk/model.yaml": OTHER.format(name="Credit-Risk")})


@attack(expect="GR105")
def models_of_two_widths(ground: Ground) -> None:
    """Two models that are one name where widths do not count."""
    name = "ｃｒｅｄｉｔ-risk"
    ground.edit({f"models/{name}/model.yaml": OTHER.format(name=name)})


@attack(expect="GR105")
def models_of_two_normal_forms(ground: Ground) -> None:
    """Two names that look alike and are different bytes; on macOS one folder."""
    composed, split = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    ground.edit({f"models/{name}/model.yaml": OTHER.format(name=name) for name in (composed, split)})


@attack(expect="GR105")
def stages_in_two_cases(ground: Ground) -> None:
    """A second production, which replaces the first one in a checkout."""
    text = ground.read(PRODUCTION).replace("stage: production", "stage: Production")
    ground.edit({"models/credit-risk/stages/Production.yaml": text})


@attack(expect="GR103")
def manifest_in_another_case(ground: Ground) -> None:
    """A record that is replaced by another file in a checkout."""
    raw(ground, ("100644", "VERSION.yaml"), below=f"{VERSIONS}/1")


@attack(expect="GR103")
def rules_in_another_case(ground: Ground) -> None:
    """A policy for those who read the checkout, which is no rules file for those who read git."""
    ground.edit({"POLICY.yaml": "apiVersion: gitreg/v1\nkind: Policy\nrules: {owners: []}\n"})


@attack(expect="GR103")
def dvc_folder_in_another_case(ground: Ground) -> None:
    """A DVC configuration with a command, for those who use DVC in the checkout."""
    ground.edit({".DVC/config": f"['remote \"storage\"']\n    ask_password = {ground.payload}\n"})


@attack(expect="GR105")
def number_with_a_zero(ground: Ground) -> None:
    """A version that is another folder, and the same number."""
    edits = ground.new_version()
    ground.edit({path.replace("/4/", "/04/"): data for path, data in edits.items()})


@attack(expect="GR105")
def number_of_five_thousand_digits(ground: Ground) -> None:
    """A folder whose name takes for ever to be a number, or cannot be one."""
    ground.edit({f"{VERSIONS}/{'1' * 5000}/version.yaml": "x\n"})


# -- trees that git would not make


@attack(expect_error=(3, "is corrupt"))
def name_twice(ground: Ground) -> None:
    """Two files of one name: one tool reads the first, another the last."""
    good, bad = ground.entries(f"{ground.tip()}:")["policy.yaml"], ground.blob("rules: {owners: []}\n")
    entries = [*_listing(ground, ""), ("100644", "policy.yaml", bad)]
    assert good in entries
    ground.push(ground.commit(ground.raw_tree(entries), ground.tip()))


@attack(expect_error=(3, "is corrupt"))
def file_and_folder_of_one_name(ground: Ground) -> None:
    """The same, with a folder for those who look inside."""
    inner = ground.raw_tree([("100644", "x", ground.blob("x\n"))])
    tree = ground.raw_tree([*_listing(ground, ""), ("040000", "policy.yaml", inner)])
    ground.push(ground.commit(tree, ground.tip()))


@attack(expect=("GR202",))
def out_of_order(ground: Ground) -> None:
    """A record edited in a tree that is not sorted, in which a search by name ends too early."""
    folder = f"{VERSIONS}/1"
    entries = ground.entries(f"{ground.tip()}:{folder}")
    text = ground.read(f"{folder}/version.yaml").replace("roc_auc: 0.9", "roc_auc: 0.99")
    entries["version.yaml"] = ("100644", "version.yaml", ground.blob(text))
    rows = sorted(entries.values(), reverse=True, key=lambda entry: entry[1])
    tree = _around(ground, folder, ground.raw_tree(rows, ordered=False))
    ground.push(ground.commit(tree, ground.tip()))


@attack(expect_error=(3, "deeper than 100 folders"), isolated=True)
def five_thousand_folders_deep(ground: Ground) -> None:
    """A path so deep that what walks it runs out of stack."""
    path = "models/credit-risk/" + "x/" * 5000 + "x"
    stream = f"commit refs/heads/deep\ncommitter Dan <dan@example.com> 0 +0000\ndata 0\nfrom {ground.tip()}\n"
    ground.git("fast-import", "--quiet", stdin=f"{stream}M 100644 inline {path}\ndata 0\n".encode())
    ground.push("refs/heads/deep")


@attack(expect_error=(3, "more than 1000000 files"), isolated=True)
def tree_bomb(ground: Ground) -> None:
    """Ten trees that each name the next one ten times: a few hundred bytes, ten billion files."""
    ground.push(
        ground.commit(ground.raw_tree([*_listing(ground, ""), ("040000", "x", _bomb(ground))]), ground.tip())
    )


def _bomb(ground: Ground) -> str:
    tree = ground.raw_tree([("100644", f"f{n}", ground.blob("x\n")) for n in range(10)])
    for _ in range(9):
        tree = ground.raw_tree([("040000", f"d{n}", tree) for n in range(10)])
    return tree


@attack(expect_error=(3, "more than 1000000 files"), isolated=True)
def tree_bomb_below_models(ground: Ground) -> None:
    """The same, where the registry's files are."""
    ground.push(ground.commit(_around(ground, "models/x", _bomb(ground)), ground.tip()))


@attack(expect="GR103", isolated=True)
def very_many_files(ground: Ground) -> None:
    """So many findings that to print them takes all memory, or hides the one that matters."""
    oid = bytes.fromhex(ground.blob("x\n"))
    data = b"".join(b"100644 %06d\0" % number + oid for number in range(50_000))
    tree = ground.git("hash-object", "-w", "-t", "tree", "--stdin", stdin=data)
    ground.push(ground.commit(_around(ground, "models/x", tree), ground.tip()))


@attack(expect="GR201", isolated=True)
def very_many_conflicts(ground: Ground) -> None:
    """A folder of many files, from before the base had a file of that name: each is in its way."""
    oid = bytes.fromhex(ground.blob("x\n"))
    data = b"".join(b"100644 %06d\0" % number + oid for number in range(20_000))
    tree = ground.git("hash-object", "-w", "-t", "tree", "--stdin", stdin=data)
    start = ground.tip()
    ground.push(ground.commit(ground.raw_tree([*_listing(ground, ""), ("040000", "notes", tree)]), start))
    ground.land({"notes": "x\n"})


@attack(expect="GR106", isolated=True)
def very_many_versions(ground: Ground) -> None:
    """So many versions in one change that to look each up among the others takes for ever."""
    record = ("100644", "version.yaml", ground.blob(ground.read(f"{VERSIONS}/1/version.yaml")))
    folder = bytes.fromhex(ground.raw_tree([record]))
    rows = sorted(str(number).encode() for number in range(10, 10_000))
    old = ground.entries(f"{ground.tip()}:{VERSIONS}").values()
    data = sorted(
        [(name.encode(), bytes.fromhex(oid)) for _, name, oid in old] + [(row, folder) for row in rows]
    )
    raw = b"".join(b"40000 " + name + b"\0" + oid for name, oid in sorted(data, key=lambda e: e[0] + b"/"))
    tree = ground.git("hash-object", "-w", "-t", "tree", "--stdin", stdin=raw)
    ground.push(ground.commit(_around(ground, VERSIONS, tree), ground.tip()))
