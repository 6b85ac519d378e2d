"""Artifacts that are somewhere else, something else, or not there: what DVC does not look at."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flow_kit import DVC_CONFIG, bytes_of, promote, registration

from attacks.attack_kit import Ground, Ran, attack, symlink
from attacks.attack_words import says
from gitreg.core.codec.dvcfile import dump_dvc
from gitreg.core.digest import artifact_digest
from gitreg.core.plan.register import Registration, plan_register
from gitreg.core.ports import DvcPointer, ListedFile
from gitreg.core.record import Artifact

CONFIG = ".dvc/config"
VERSION = "models/credit-risk/versions/4"
POINTER = f"{VERSION}/model.onnx.dvc"
GOOD = b"what was reviewed\n"
BAD = b"what is delivered\n"
#: Two blocks of one md5 and of different sha256: Wang and Yu, "How to Break MD5 and Other Hash Functions",
#: EUROCRYPT 2005; shown at https://www.mathstat.dal.ca/~selinger/md5collision/.
COLLIDING = (
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
    ),
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70"
    ),
)


# -- what attackers do


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(ground: Ground, name: str, content: bytes, remote: str = "artifacts") -> Path:
    """Puts bytes into a DVC remote under a name, right or wrong; where."""
    place = ground.root / remote / "files" / "md5" / name[:2] / name[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_bytes(content)
    return place


def of_file(content: bytes, **said: object) -> Registration:
    """A registration of a file with these bytes, as an honest one would be."""
    new = registration("credit-risk", 4)
    artifact = replace(new.artifact, digest=f"sha256:{sha256(content)}", size=len(content))
    pointer = DvcPointer("model.onnx", md5(content), len(content), 1)
    return replace(new, artifact=artifact, pointer=pointer, **said)  # type: ignore[arg-type]


def of_folder(listing: bytes, files: Mapping[str, bytes]) -> Registration:
    """A registration of a directory with these files, behind a listing that may say something else."""
    size = sum(map(len, files.values()))
    listed = [ListedFile(path, len(content), sha256(content)) for path, content in files.items()]
    artifact = Artifact("model", artifact_digest(listed), size, len(files), "custom")
    pointer = DvcPointer("model", f"{md5(listing)}.dir", size, len(files))
    return replace(registration("credit-risk", 4), artifact=artifact, pointer=pointer)


def listing_of(entries: Mapping[str, bytes]) -> bytes:
    """A directory's listing as DVC writes it."""
    return json.dumps(
        [{"md5": md5(content), "relpath": path} for path, content in sorted(entries.items())], sort_keys=True
    ).encode()


def registered(ground: Ground, new: Registration, **said: str) -> None:
    """The attacker's branch registers it as version 4."""
    ground.plan(lambda snapshot: plan_register(snapshot, new), **said)


def landed(ground: Ground, new: Registration) -> None:
    """Version 4 was registered, when all was well with it."""
    registered(ground, new, branch="main")


def dvc(ground: Ground, *args: str, code: int = 0) -> str:
    """Plain DVC, in a checkout of the attacker's branch of its own; what it said."""
    folder = ground.root / "plain"
    if not folder.exists():
        ground.git("worktree", "add", "-q", "--detach", os.fspath(folder), "refs/remotes/origin/attacker")
        (folder / ".dvc" / "config.local").touch()
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"DVC_SITE_CACHE_DIR": os.fspath(ground.root / "site")},
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


# -- another remote


def redirected(ground: Ground) -> str:
    """A configuration that names the attacker's remote."""
    return DVC_CONFIG.replace("../../artifacts", os.fspath(ground.root / "theirs"))


def _pulls_from_the_attacker_s(ground: Ground) -> None:
    dvc(ground, "pull", POINTER)
    assert (ground.root / "plain" / VERSION / "model.onnx").read_bytes() == GOOD


@attack(
    expect=("GR205", "GR401", "GR501"),
    then=says("is missing"),
    succeeds_against=_pulls_from_the_attacker_s,
)
def config_redirected_with_a_registration(ground: Ground) -> None:
    """The change itself says where its bytes are: in a place whose content the attacker may change."""
    put(ground, md5(GOOD), GOOD, "theirs")
    ground.edit({CONFIG: redirected(ground)})
    registered(ground, of_file(GOOD))


@attack(expect="GR401", then=says("changing the rules needs 1 approval"))
def config_redirected(ground: Ground) -> None:
    """The whole registry's bytes come from the attacker's remote from then on."""
    ground.edit({CONFIG: redirected(ground)})


@attack(expect="GR501", then=says("is missing"))
def config_redirected_in_the_checkout(ground: Ground) -> list[str]:
    """The attacker's branch is checked out where it is judged; a version of its last commit alone is judged."""
    put(ground, md5(GOOD), GOOD, "theirs")
    ground.edit({CONFIG: redirected(ground)}, branch="config")
    ground.git("fetch", "-q", "origin", folder="bo")
    ground.git("switch", "-q", "--detach", "origin/config", folder="bo")
    registered(ground, of_file(GOOD))
    return ["verify", "--base", "origin/main", "--head", "origin/attacker", "--format", "json"]


LOCAL = "['remote \"storage\"']\n    url = {}\n"


@attack(expect="GR501", then=says("is missing"))
def config_overridden_by_a_tracked_local_one(ground: Ground) -> list[str]:
    """config.local overrides, and the attacker's branch, which is checked out, brings one along."""
    put(ground, md5(GOOD), GOOD, "theirs")
    ground.edit({".dvc/config.local": LOCAL.format(ground.root / "theirs")}, branch="config")
    ground.git("fetch", "-q", "origin", folder="bo")
    ground.git("switch", "-q", "--detach", "origin/config", folder="bo")
    registered(ground, of_file(GOOD))
    return ["verify", "--base", "origin/main", "--head", "origin/attacker", "--format", "json"]


@attack(expect=("GR205", "GR401", "GR501"), succeeds_against=_pulls_from_the_attacker_s)
def config_local_with_a_registration(ground: Ground) -> None:
    """The same in one change."""
    put(ground, md5(GOOD), GOOD, "theirs")
    ground.edit({".dvc/config.local": LOCAL.format(ground.root / "theirs")})
    registered(ground, of_file(GOOD))


@attack(outcome="harmless")
def config_local_behind_a_link(ground: Ground) -> list[str]:
    """Git tracks the local configuration under another name, and so takes it for one of this machine.

    A password is no setting of a folder: were it read, the remote could not be opened.
    """
    local = LOCAL.format(ground.desk.artifacts) + "    password = stolen\n"
    names = dict.fromkeys((CONFIG,))
    ground.edit({**names, "evil/config.local": local}, branch="config")
    ground.edit({".dvc": symlink("evil")}, branch="config")
    ground.git("fetch", "-q", "origin", folder="bo")
    ground.git("switch", "-q", "--detach", "origin/config", folder="bo")
    assert (ground.judge / ".dvc" / "config.local").is_file()
    put(ground, md5(GOOD), GOOD)
    registered(ground, of_file(GOOD))
    return ["verify", "--base", "origin/main", "--head", "origin/attacker", "--format", "json"]


def _commands(ground: Ground) -> str:
    return DVC_CONFIG.replace("../../artifacts", "webdav://127.0.0.1:9/x") + (
        f"    bearer_token_command = {ground.payload}\n"
    )


@attack(expect=("GR205", "GR401"))
def config_with_a_command(ground: Ground) -> None:
    """Whoever reads the version runs the attacker's command for its token."""
    ground.edit({CONFIG: _commands(ground)})
    ground.plan(promote(3, "staging"))


@attack(expect="GR501", outcome="undecided", then=says("sets 'bearer_token_command'"))
def config_with_a_command_that_has_landed(ground: Ground) -> None:
    """The same, but the registry's own branch says so."""
    ground.land({CONFIG: _commands(ground)})
    ground.plan(promote(3, "staging"))


@attack(expect="GR501", outcome="undecided", then=says("sets 'credentialpath'"))
def config_with_a_credentials_file(ground: Ground) -> None:
    """The registry brings the file along, in which AWS's credential_process names a command."""
    ground.land(
        {
            CONFIG: DVC_CONFIG.replace("../../artifacts", "s3://127.0.0.1/x") + "    credentialpath = aws\n",
            ".dvc/aws": f"[default]\ncredential_process = {ground.payload}\n",
        }
    )
    ground.plan(promote(3, "staging"))


@attack(expect_error=(2, "has no URL of its own"))
def config_that_borrows_a_url(ground: Ground) -> list[str]:
    """The registry's remote is below one that only this machine knows, with its credentials."""
    ground.land({CONFIG: DVC_CONFIG.replace("../../artifacts", "remote://work/secrets")})
    ground.git("pull", "-q", "origin", "main", folder="bo")
    return pulled(ground, "credit-risk/1")


# -- .dvc files that say more than they may


def _forged(name: str, hope: str, edit: str, *, old: str = "") -> None:
    """A case in which a version's .dvc file has ``old`` replaced by ``edit``, or ``edit`` at its end."""

    def build(ground: Ground) -> None:
        put(ground, md5(GOOD), GOOD)
        registered(ground, of_file(GOOD))
        text = ground.read(POINTER, "attacker")
        assert not old or text.count(old) == 1
        ground.edit({POINTER: text.replace(old, edit) if old else text + edit})

    build.__name__, build.__doc__ = f"pointer_{name}", hope
    attack(expect="GR101", then=says(f"GR101 {POINTER}"))(build)


_OTHER = "- md5: {}\n  size: 1\n  hash: md5\n  path: {}\n"
_forged("with_a_second_output", "DVC fetches a file that nobody looks at.", _OTHER.format("0" * 32, "other"))
_forged("out_of_its_folder", "DVC writes elsewhere.", "path: ../../../../policy.yaml", old="path: model.onnx")
_forged("to_an_absolute_path", "DVC writes anywhere.", "path: /tmp/model.onnx", old="path: model.onnx")
_forged(
    "into_a_folder", "DVC writes into git's folder.", "path: .git/hooks/post-merge", old="path: model.onnx"
)
_forged("without_a_cache", "DVC keeps no copy, and so fetches nothing.", "  cache: false\n")
_forged("never_pushed", "The bytes stay where they were made.", "  push: false\n")
_forged("with_a_remote", "DVC asks another remote.", "  remote: theirs\n")
_forged("with_dependencies", "DVC takes the bytes from a URL.", "deps:\n- path: https://127.0.0.1:9/x\n")
_forged(
    "of_another_repository",
    "DVC clones a repository of the attacker's choice.",
    "deps:\n- path: x\n  repo:\n    url: ext::sh -c x\n",
)
_forged("with_a_working_directory", "DVC takes paths from elsewhere.", "wdir: ../../../../..\n")
_forged("with_a_command", "DVC runs it.", "cmd: touch pwned\n")
_forged("with_versions_of_the_cloud", "DVC asks for a version.", "  version_id: x\n")
_forged("with_a_listing_of_its_own", "DVC takes the files from here.", "  files: [{relpath: ../x, md5: x}]\n")
_forged("of_another_hash", "DVC computes something else.", "hash: etag", old="hash: md5")
_forged(
    "to_a_path_in_the_remote",
    "The name leads out of it.",
    "md5: ../../../etc/passwd",
    old=f"md5: {md5(GOOD)}",
)


@attack(expect="GR106")
def pointer_beside_a_pointer(ground: Ground) -> None:
    """A second .dvc file is in the version's folder: plain DVC pulls both."""
    put(ground, md5(GOOD), GOOD)
    registered(ground, of_file(GOOD))
    ground.edit({f"{VERSION}/tokenizer.dvc": dump_dvc(DvcPointer("tokenizer", md5(BAD), len(BAD), 1))})


@attack(expect=("GR106", "GR202"))
def pointer_beside_an_old_record(ground: Ground) -> None:
    """The same beside a version that was registered long ago."""
    path = "models/credit-risk/versions/1/tokenizer.dvc"
    ground.edit({path: dump_dvc(DvcPointer("tokenizer", md5(BAD), len(BAD), 1))})


@attack(expect="GR202")
def pointer_of_an_old_record_edited(ground: Ground) -> None:
    """The version in production gets other bytes; its record stays."""
    put(ground, md5(BAD), BAD)
    path = "models/credit-risk/versions/1/model.onnx.dvc"
    ground.edit({path: dump_dvc(DvcPointer("model.onnx", md5(BAD), len(BAD), 1))})


@attack(expect="GR103")
def bytes_beside_their_pointer(ground: Ground) -> None:
    """The bytes themselves are committed: plain DVC finds them there, and fetches nothing."""
    ground.edit({"models/credit-risk/versions/1/model.onnx": BAD})


@attack(expect="GR103")
def pipeline_beside_a_record(ground: Ground) -> None:
    """A dvc.yaml is in the version's folder: dvc repro runs what it says."""
    ground.edit({"models/credit-risk/versions/1/dvc.yaml": f"stages: {{x: {{cmd: {ground.payload}}}}}\n"})


# -- bytes that are not there, or others


@attack(expect="GR501", then=says("is missing"))
def object_missing(ground: Ground) -> None:
    """A version is registered whose bytes the attacker keeps until they are wanted."""
    registered(ground, of_file(GOOD))


@attack(expect="GR501", then=says("1 object is missing"))
def object_lost_before_it_goes_live(ground: Ground) -> None:
    """The bytes were there when the version was registered."""
    name = registration("credit-risk", 3).pointer.md5
    (ground.desk.artifacts / "files" / "md5" / name[:2] / name[2:]).unlink()
    ground.plan(promote(3, "staging"))


def _delivers_it_nevertheless(ground: Ground) -> None:
    dvc(ground, "pull", POINTER)
    assert (ground.root / "plain" / VERSION / "model.onnx").read_bytes() == BAD


@attack(expect="GR501", then=says("is corrupt"), succeeds_against=_delivers_it_nevertheless)
def object_of_other_bytes(ground: Ground) -> None:
    """The remote has other bytes of the same length under the name, write-protected, as DVC trusts them."""
    put(ground, md5(GOOD), BAD).chmod(0o444)
    registered(ground, of_file(GOOD))


@attack(expect="GR501", then=says("bytes, not"))
def object_cut_short(ground: Ground) -> None:
    """An upload was torn, and the version is to go live."""
    put(ground, registration("credit-risk", 3).pointer.md5, bytes_of(3)[:-1])
    ground.plan(promote(3, "staging"))


@attack(expect="GR501", then=says("more than"), isolated=True)
def object_without_end(ground: Ground) -> None:
    """To read a terabyte takes for ever, and to keep it fills every disk."""
    with put(ground, md5(GOOD), b"").open("wb") as stream:
        os.ftruncate(stream.fileno(), 1 << 40)
    registered(ground, of_file(GOOD))


@attack(expect="GR501", then=says("is not a file"), isolated=True)
def object_that_is_a_pipe(ground: Ground) -> None:
    """Whoever opens it waits for a writer who never comes."""
    place = put(ground, md5(GOOD), b"")
    place.unlink()
    os.mkfifo(place)
    registered(ground, of_file(GOOD))


def pulled(ground: Ground, reference: str = "credit-risk/4") -> list[str]:
    """The command that deploys a version, into an empty folder."""
    (ground.root / "out").mkdir()
    return ["pull", reference, "-o", os.fspath(ground.root / "out")]


def _nothing_came(ground: Ground, ran: Ran) -> None:
    assert not list((ground.root / "out").iterdir())


@attack(expect_error=(1, "is corrupt"), then=_nothing_came)
def object_exchanged_since(ground: Ground) -> list[str]:
    """The bytes were right when the version was registered, and are others by the time that it is deployed."""
    landed(ground, of_file(GOOD))
    put(ground, md5(GOOD), BAD)
    return pulled(ground)


def _collides(ground: Ground) -> None:
    one, two = COLLIDING
    assert md5(one) == md5(two)
    assert sha256(one) != sha256(two)
    dvc(ground, "remote", "modify", "--local", "storage", "verify", "true")
    dvc(ground, "pull", POINTER)
    assert (ground.root / "plain" / VERSION / "model.onnx").read_bytes() == two


@attack(expect="GR501", then=says("the bytes on the remote have the digest"), succeeds_against=_collides)
def object_of_the_same_md5(ground: Ground) -> None:
    """Other bytes have the very same md5, which is all that DVC could compare."""
    one, two = COLLIDING
    put(ground, md5(one), two)
    registered(ground, of_file(one))


@attack(expect="GR501", then=says("the bytes on the remote have the digest"))
def object_of_the_same_md5_registered_first(ground: Ground) -> None:
    """One of the two is registered honestly; the other one, whose record promises something else, finds it there."""
    one, two = COLLIDING
    put(ground, md5(one), one)
    ground.plan(lambda snapshot: plan_register(snapshot, of_file(one)), branch="main")
    registered(ground, of_file(two))


@attack(expect_error=(1, "has the digest"), then=_nothing_came)
def object_of_the_same_md5_exchanged_since(ground: Ground) -> list[str]:
    """The bytes are exchanged for the others once the version is live."""
    one, two = COLLIDING
    landed(ground, of_file(one))
    put(ground, md5(one), two)
    return pulled(ground)


# -- sizes


@attack(expect="GR106", then=says("artifact.size is 18, but the .dvc file says 1"))
def size_of_the_pointer_is_a_lie(ground: Ground) -> None:
    """The .dvc file promises a byte."""
    put(ground, md5(GOOD), GOOD)
    new = of_file(GOOD)
    registered(ground, replace(new, pointer=replace(new.pointer, size=1)))


@attack(expect="GR501", then=says("has 18 bytes; its record says 9007199254740991"))
def size_is_a_lie_twice(ground: Ground) -> None:
    """Record and .dvc file agree on more than there is."""
    put(ground, md5(GOOD), GOOD)
    new, size = of_file(GOOD), 2**53 - 1
    registered(
        ground,
        replace(new, pointer=replace(new.pointer, size=size), artifact=replace(new.artifact, size=size)),
    )


@attack(expect="GR501", then=says("has 1 files; its record says 2"))
def number_of_files_is_a_lie_twice(ground: Ground) -> None:
    """Record and .dvc file agree on a file that the listing lacks."""
    listing = listing_of({"a": GOOD})
    new = of_folder(listing, {"a": GOOD})
    put(ground, new.pointer.md5, listing)
    put(ground, md5(GOOD), GOOD)
    registered(
        ground,
        replace(new, pointer=replace(new.pointer, files=2), artifact=replace(new.artifact, files=2)),
    )


# -- directories


def _folder(ground: Ground, listing: bytes, files: Mapping[str, bytes], lacking: str = "") -> Registration:
    """The listing and the files are on the remote, but for one; its registration."""
    new = of_folder(listing, files)
    put(ground, new.pointer.md5, listing)
    for path, content in files.items():
        if path != lacking:
            put(ground, md5(content), content)
    return new


def _listed(name: str, hope: str, listing: bytes, says_what: str) -> None:
    """A case in which a directory's listing, under the md5 that it really has, is this one."""

    def build(ground: Ground) -> None:
        registered(ground, _folder(ground, listing, {"a": GOOD}))

    build.__name__, build.__doc__ = f"listing_{name}", hope
    attack(expect="GR501", then=says(says_what))(build)


_listed("with_an_absolute_path", "DVC writes anywhere.", listing_of({"/tmp/x": GOOD}), "relative path")
_listed("into_git_s_folder", "DVC leaves a hook.", listing_of({".git/hooks/x": GOOD}), "take for their own")
_listed("that_is_no_list", "A reader takes it apart.", b'{"relpath": "a"}', "it is not a list")
_listed(
    "with_more_keys", "A reader obeys them.", b'[{"md5": "x", "relpath": "a", "isexec": 1}]', "other keys"
)
_listed(
    "of_a_listing", "DVC goes deeper.", b'[{"md5": "%s.dir", "relpath": "a"}]' % (b"0" * 32), "32 lower-case"
)
_listed(
    "with_a_path_twice",
    "The later bytes take the place of the earlier ones.",
    json.dumps([{"md5": md5(data), "relpath": "a"} for data in (GOOD, BAD)]).encode(),
    "it is listed twice",
)
_listed(
    "with_a_path_in_two_cases",
    "The same where case does not count.",
    listing_of({"a": GOOD, "A": BAD}),
    "case",
)
_listed("too_deep_to_read", "A reader's stack overflows.", b"[" * 100_000, "it is not JSON")


def _writes_beside(ground: Ground) -> None:
    dvc(ground, "pull", f"{VERSION}/model.dvc")
    assert (ground.root / "plain" / VERSION / "version.yaml").read_bytes() == GOOD


@attack(expect="GR501", then=says("it is not a plain relative path"), succeeds_against=_writes_beside)
def listing_out_of_its_folder(ground: Ground) -> None:
    """DVC writes a directory's files where its listing says, over the record that vouches for them too."""
    registered(ground, _folder(ground, listing_of({"../version.yaml": GOOD}), {"a": GOOD}))


@attack(expect_error=(1, "it is not a plain relative path"), then=_nothing_came)
def listing_out_of_its_folder_pulled(ground: Ground) -> list[str]:
    """The same is in the registry by now, and somebody deploys it."""
    landed(ground, _folder(ground, listing_of({"../../sentinel/untouched": GOOD}), {"a": GOOD}))
    return pulled(ground)


@attack(expect="GR501", then=says("is corrupt"))
def listing_of_another_name(ground: Ground) -> None:
    """The listing on the remote is another one than its name says."""
    new = _folder(ground, listing_of({"a": GOOD}), {"a": GOOD})
    put(ground, new.pointer.md5, listing_of({"b": GOOD}))
    registered(ground, new)


@attack(expect="GR501", then=says("is larger than"), isolated=True)
def listing_without_end(ground: Ground) -> None:
    """A listing is read at once, so that one of a terabyte takes all the memory that there is."""
    new = _folder(ground, listing_of({"a": GOOD}), {"a": GOOD})
    with put(ground, new.pointer.md5, b"").open("wb") as stream:
        os.ftruncate(stream.fileno(), 1 << 40)
    registered(ground, new)


@attack(expect="GR501", then=says("has 50000 files; its record says 1"), isolated=True)
def listing_of_very_many_files(ground: Ground) -> None:
    """A record promises one file, and its listing has 50,000, none of which is there."""
    entries = [{"md5": "0" * 32, "relpath": f"{number}"} for number in range(50_000)]
    registered(ground, _folder(ground, json.dumps(entries).encode(), {"a": GOOD}))


@attack(expect="GR501", then=says("is missing"), isolated=True)
def listing_of_very_deep_folders(ground: Ground) -> None:
    """Each file is below 100,000 folders: whoever remembers them all by their paths has gigabytes to remember."""
    entries = [{"md5": "0" * 32, "relpath": f"{number}/" + "a/" * 100_000 + "b"} for number in range(3)]
    listing = json.dumps(entries).encode()
    registered(ground, _folder(ground, listing, dict.fromkeys("abc", GOOD)))


@attack(expect="GR501", then=says("is missing"))
def child_missing(ground: Ground) -> None:
    """All of a directory is there but one file."""
    files = {"a": GOOD, "b/c": BAD}
    registered(ground, _folder(ground, listing_of(files), files, lacking="b/c"))


@attack(expect="GR501", then=says("1 object is missing"))
def child_lost_before_it_goes_live(ground: Ground) -> None:
    """All of it was there when the version was registered."""
    files = {"a": GOOD, "b/c": BAD}
    landed(ground, _folder(ground, listing_of(files), files, lacking="b/c"))
    ground.plan(promote(4, "staging"))


@attack(expect="GR501", then=says("is corrupt"))
def child_of_other_bytes(ground: Ground) -> None:
    """One file of a directory is another one."""
    files = {"a": GOOD, "b/c": b"tokens\n"}
    new = _folder(ground, listing_of(files), files)
    put(ground, md5(GOOD), BAD)
    registered(ground, new)


@attack(expect="GR501", then=says("the bytes on the remote have the digest"))
def child_of_the_same_md5(ground: Ground) -> None:
    """One file of a directory is another one with the same md5; so the listing's is the same, too."""
    one, two = COLLIDING
    files = {"a": one, "b/c": b"tokens\n"}
    new = _folder(ground, listing_of(files), files)
    put(ground, md5(one), two)
    registered(ground, new)


@attack(expect="GR501", then=says("the bytes on the remote have the digest"))
def children_exchanged(ground: Ground) -> None:
    """The same files, each under the other's name."""
    listing = listing_of({"a": GOOD, "b": BAD})
    new = of_folder(listing, {"a": BAD, "b": GOOD})
    _folder(ground, listing, {"a": GOOD, "b": BAD})
    registered(ground, new)
