"""What the core and the flows ask of the world, in plain types; adapters implement these, tests may too.

Object ids are git's, in lower-case hex. Paths are relative to the repository's root, with ``/``. Times are aware
and in UTC. Every method may raise :class:`gitreg.errors.Undecided` where the world does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

#: No manifest may be larger; readers cut a blob one byte behind it, so that its size is seen to be over.
READ_LIMIT = 1 << 20

FILE = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"
SUBMODULE = "160000"
FOLDER = "040000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a git tree: its mode (six octal digits) and the id of its object."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's content. ``data`` is cut at ``READ_LIMIT + 1`` bytes."""

    oid: str
    data: bytes


class Tree(Protocol):
    """The files of one revision (or of a working tree, or of a dict)."""

    def read(self, path: str) -> Blob | None:
        """The blob at ``path``; None if nothing or a folder is there. A symlink's blob is its target's name."""
        ...

    def list(self, path: str) -> Mapping[str, Entry]:
        """The entries of the folder at ``path`` ("" is the root); empty if there is no such folder."""
        ...

    def blob(self, oid: str) -> bytes:
        """The content of a blob known to be there, cut as in :class:`Blob`."""
        ...

    def lists(self, paths: Sequence[str]) -> Iterator[Mapping[str, Entry]]:
        """As ``list``, for many folders, as they are asked for; a tree may look ahead as far as they are small."""
        return (self.list(path) for path in paths)

    def blobs(self, oids: Sequence[str]) -> Iterator[bytes]:
        """As ``blob``, for many blobs, as they are asked for; a tree may look ahead as far as they are small."""
        return (self.blob(oid) for oid in oids)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as git writes one."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signature in a commit's header, and the bytes that it is about: the commit without that header."""

    payload: bytes
    armor: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; ``time`` is the committer's, in UTC. ``sealed`` is its signature, unchecked, if it has one."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Identity
    time: datetime
    message: str
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """One git tag of a commit: its short name, and who made it when (in UTC) with what to say.

    ``tagger`` and ``time`` are None of a lightweight tag, which says nothing but where it points.
    """

    name: str
    commit: str
    tagger: Identity | None
    time: datetime | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move ``ref`` (full name, as the hub calls it) from ``old`` to ``new``; None is "does not exist"."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Touch:
    """A file that a commit set, by the ids of its blob before and after; None where it was not, or is not any more."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A commit against its first parent: when it was made (UTC), and the files that differ."""

    time: datetime
    touches: tuple[Touch, ...]


class Repository(Protocol):
    """A git repository and its *hub*: the remote ``origin`` if there is one, else the repository itself."""

    @property
    def has_origin(self) -> bool:
        """Whether the hub is another repository than this one."""
        ...

    @property
    def is_shallow(self) -> bool:
        """Whether history is cut off somewhere."""
        ...

    def fetch(self) -> None:
        """Brings over the hub's branches and ``refs/gitreg/*``. Nothing to do where the hub is this repository."""
        ...

    def fetch_commit(self, ref: str, oid: str) -> None:
        """Brings over the commit ``oid`` that the hub's ``ref`` names (``refs/pull/1/head``), under no name here.

        Raises:
            Undecided: ``ref`` does not name it any more, or the hub does not answer.
        """
        ...

    def resolve(self, rev: str) -> str:
        """The commit that ``rev`` names. Raises NotFound; ConfigError if the branch is unborn."""
        ...

    def hub_ref(self, ref: str) -> str | None:
        """The object that the hub's ``ref`` named at the last fetch; None if it had no such ref."""
        ...

    def hub_refs(self, prefix: str) -> Mapping[str, str]:
        """All refs of the hub below ``prefix`` (``refs/gitreg/``, ``refs/heads/``), by full name on the hub."""
        ...

    def real_refs(self, refs: Sequence[str]) -> Mapping[str, str]:
        """Where these very refs of this repository are now. Symbolic refs are none; they stand for others."""
        ...

    def commit(self, oid: str) -> Commit:
        """Reads one commit."""
        ...

    def tree(self, oid: str) -> Tree:
        """The files of a commit (or tree) id."""
        ...

    def blobs(self, oids: Sequence[str]) -> Iterator[bytes | None]:
        """The contents of blobs as they are asked for, each cut as in :class:`Blob`; None for what is no blob here."""
        ...

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor; None if there is none. Undecided in a shallow clone that cannot tell."""
        ...

    def first_parents(self, tip: str) -> Iterator[Commit]:
        """``tip``, its first parent, and so on, read as they are asked for. Undecided at a shallow boundary."""
        ...

    def steps(self, base: str | None, tip: str, folder: str) -> Iterator[Step] | None:
        """What the commits of the first-parent line of ``tip`` did below ``folder`` ("" is all), oldest first.

        Only those after ``base``, if it is given; None if it is not on that line. Commits that did nothing there may
        be left out. Where history is cut off, it begins with all that the oldest commit has.
        """
        ...

    def inner_commits(self, base: str, head: str, most: int) -> Sequence[Commit]:
        """The commits that ``head`` has and ``base`` has not, newest first, cut after ``most``.

        Undecided in a shallow clone that cannot tell.
        """
        ...

    def added_in(self, tip: str, path: str) -> str | None:
        """The oldest commit on the first-parent line of ``tip`` since which ``path`` has been there without a break.

        None if it is not there. Undecided where history is cut off before.
        """
        ...

    def at_time(self, tip: str, moment: datetime) -> str:
        """The newest commit on the first-parent line of ``tip`` that is not younger than ``moment``."""
        ...

    def identity(self) -> Identity:
        """Who commits here, from git's configuration. Raises ConfigError with the commands that set it."""
        ...

    def write_blob(self, data: bytes) -> str:
        """Stores a blob; returns its id."""
        ...

    def write_tree(self, base: str, changes: Mapping[str, Entry | None]) -> str:
        """The tree ``base`` (tree or commit id; "" is the empty tree) with paths set, or removed where None."""
        ...

    def write_commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: Identity,
        time: datetime,
        sign: Callable[[bytes], str] | None = None,
        committer: Identity | None = None,
    ) -> str:
        """Stores a commit, signed by ``sign`` (from payload to armour), and returns its id.

        ``committer``: who made it for its author, where that is somebody else.
        """
        ...

    def write_change(
        self,
        parents: Sequence[str],
        edits: Mapping[str, bytes | None],
        message: str,
        author: Identity,
        time: datetime,
        sign: Callable[[bytes], str] | None = None,
        committer: Identity | None = None,
    ) -> tuple[str, Mapping[str, Entry | None]]:
        """Stores the commit that sets files of its first parent to new content, or removes them where None.

        Returns its id, and what now stands at each path. As ``write_blob``, ``write_tree`` and ``write_commit`` one
        after another.
        """
        ...

    def update(self, updates: Sequence[RefUpdate]) -> None:
        """Moves refs of the hub, all or none, each with its expected old value. Raises LostRace, Refused."""
        ...

    def in_line(self) -> AbstractContextManager[None]:
        """Lets one writer at a time go ahead, of those who write through this very repository and ask for it.

        It spares them races that they would lose. Nothing depends on it, and nobody waits for ever.
        """
        ...

    def followable(self, branch: str) -> str | None:
        """None if no checkout would be disturbed by a move of ``branch``; else the reason, for the error line."""
        ...

    def follow(self, branch: str, old: str | None, new: str) -> bool:
        """Moves a clean checkout of ``branch`` along from ``old`` to ``new``; whether it did."""
        ...


class Progress(Protocol):
    """Where a long step shows how far it is."""

    def task(self, label: str, total: int) -> AbstractContextManager[ProgressTask]:
        """Opens one bar over ``total`` bytes."""
        ...

    def count(self, label: str, total: int) -> AbstractContextManager[ProgressTask]:
        """Opens one bar over ``total`` things, above the bars of what is done for each of them."""
        ...


class ProgressTask(Protocol):
    """One open bar."""

    def advance(self, amount: int) -> None:
        """Counts ``amount`` more bytes, or things, as done."""
        ...


@dataclass(frozen=True, slots=True)
class DvcPointer:
    """What a ``.dvc`` file says of its one output.

    ``md5`` is DVC's object name (with ``.dir`` for a directory), ``size`` is in bytes, ``files`` counts a
    directory's files (1 for a file), ``path`` is the basename beside the ``.dvc`` file.
    """

    path: str
    md5: str
    size: int
    files: int

    @property
    def is_directory(self) -> bool:
        """Whether the output is a directory."""
        return self.md5.endswith(".dir")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of an artifact: path inside it ("" for a single file), size in bytes, sha256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of an artifact as a listing tells it: path inside it ("" for a single file), and its size in bytes.

    ``size`` is None where the remote does not tell.
    """

    path: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Payload:
    """An artifact as it was found: its DVC pointer and its files, sorted by path (UTF-8 byte order)."""

    pointer: DvcPointer
    files: tuple[ListedFile, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """What a look at the remote found: the object names that are not there, and a line on each corrupt one."""

    missing: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()


class ArtifactStore(Protocol):
    """A DVC remote."""

    def inspect(self, path: str) -> Payload:
        """Reads a local file or directory, refusing (Refused) what cannot be registered: symlinks, emptiness."""
        ...

    def upload(self, path: str, payload: Payload, progress: Progress) -> None:
        """Stores what ``inspect`` saw. Refused if the files changed since; then nothing refers to what was stored."""
        ...

    def upload_bytes(self, data: bytes, payload: Payload) -> None:
        """As ``upload``, of a small file that is only in memory."""
        ...

    def presence(self, pointers: Sequence[DvcPointer]) -> Mapping[DvcPointer, Presence]:
        """Looks every object up (a directory's children too), without reading contents of files."""
        ...

    def listing(self, pointer: DvcPointer) -> tuple[RemoteFile, ...]:
        """The files, by path, without reading them. Refused if a directory's listing is missing or corrupt."""
        ...

    def files(self, pointer: DvcPointer, progress: Progress) -> tuple[ListedFile, ...]:
        """Reads every byte from the remote and says what it is. Refused if an object is missing or corrupt."""
        ...

    def download(self, pointer: DvcPointer, target: str, digest: str, progress: Progress) -> None:
        """Puts the artifact at ``target``, only once every byte has the right ``digest``; nothing else may be there."""
        ...

    def download_files(
        self, pointer: DvcPointer, files: Sequence[ListedFile], target: str, progress: Progress
    ) -> None:
        """Puts some files into the new folder ``target``, each at its path, once all are as ``files`` says."""
        ...

    def copy_to(self, other: ArtifactStore, pointer: DvcPointer, digest: str, progress: Progress) -> None:
        """Stores the artifact on another remote as well, verified on the way."""
        ...


class ForeignRepository(Protocol):
    """A repository that is no registry of gitreg's, and is only read."""

    @property
    def label(self) -> str:
        """Its address for messages and records, without secrets."""
        ...

    def tags(self) -> Iterator[Tag]:
        """Every tag of a commit, annotated or not."""
        ...

    def tree(self, commit: str) -> Tree:
        """The files of a commit."""
        ...

    def save(self, commit: str, path: str, target: str) -> bool:
        """Writes the file or folder that git has at a path to ``target``; False if there is none.

        Refused where it holds anything but plain files.
        """
        ...


class ForeignStore(Protocol):
    """A DVC remote from which artifacts are taken that no record of gitreg's vouches for."""

    def presence(self, pointers: Sequence[DvcPointer]) -> Mapping[DvcPointer, Presence]:
        """See :class:`ArtifactStore`."""
        ...

    def take(self, pointer: DvcPointer, target: str, progress: Progress) -> None:
        """Puts the artifact at ``target``, only once every byte has the md5 that DVC wrote down."""
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature check found. ``key`` is the OpenSSH public key (type and base64) that made it, if any."""

    key: str | None
    valid: bool
    problem: str | None = None


class Signer(Protocol):
    """Makes SSH signatures (namespace ``gitreg``) with one private key."""

    @property
    def public_key(self) -> str:
        """``ssh-ed25519 AAAA…``, without comment."""
        ...

    def sign(self, message: bytes) -> str:
        """The armoured signature (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig)."""
        ...

    def sign_commit(self, payload: bytes) -> str:
        """As ``sign``, in the namespace in which git looks for signatures of commits."""
        ...


@dataclass(frozen=True, slots=True)
class Pusher:
    """Who brings a change to a repository, by what they proved: a name to the transport, or an SSH public key."""

    user: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A signed sentence of a person: ``body`` is its canonical JSON, decoded; ``signature`` what checking it found."""

    body: Mapping[str, object]
    signature: Signature
    ref: str = ""


#: Every branch that gitreg makes begins so. Other branches are people's, and never deleted.
BRANCH_PREFIX = "gitreg/"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A branch that asks to be merged, with its discussion.

    ``state`` is ``open``, ``merged`` or ``closed``; ``branch`` and ``target`` are short branch names; ``head`` is the
    branch's commit (None if the branch is gone, or the request over); ``change_id`` is what its author signed ("" on a
    hosted forge, where nothing is signed); ``author`` is that signed opening (None if unsigned, or the request over);
    ``account`` is who opened it on a hosted forge; ``merged_as`` is the commit on the target that landed it;
    ``opened_at`` is in UTC. ``merges_itself``: the forge has been told to merge it as soon as it may.
    """

    id: str
    title: str
    body: str
    branch: str
    target: str
    state: str
    head: str | None
    change_id: str
    author: Statement | None
    opened_at: datetime
    merged_as: str | None = None
    url: str | None = None
    account: str | None = None
    merges_itself: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """One decision about a change request by an account of a hosted forge.

    ``decision`` is ``approved``, ``changes_requested`` or ``dismissed`` (taken back, or declared void); ``commit`` is
    the head that it was about (None: the forge does not say, so it counts for none); ``at`` is in UTC.
    """

    account: str
    decision: str
    commit: str | None
    at: datetime
    is_bot: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody who had a part in a change, and so may not approve it: by their account, or by their e-mail address.

    ``role`` says for people which: ``author``, ``requester``, ``pusher``, ``commit author``, ``committer``,
    ``co-author``. No account: the forge does not know whose the address is.
    """

    role: str
    account: str | None = None
    email: str | None = None
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class DispatchedRun:
    """A run of the forge's CI that opened a request on somebody's behalf, as the forge tells it (never the request).

    ``workflow`` is the path of its definition, ``branch`` the branch from which that was taken, ``event`` what started
    it, ``title`` what it was about; ``started`` is in UTC. ``actor`` is who started it.
    """

    actor: Hand
    workflow: str
    event: str
    branch: str
    title: str
    started: datetime


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a hosted forge knows of who made a change request and who approved it.

    ``provider`` is ``github`` or ``gitlab``, so that accounts are people's names there; ``head`` is the commit that was
    asked to be merged when this was read. ``author`` opened it; ``hands`` are all who had a part in it, the author too.
    ``reviews`` are all decisions, oldest first. Those from before ``since`` (UTC) are void: the branch was forced, or
    another base chosen. ``writers`` are those of the reviewers who may write to the repository. ``run`` is the one that
    opened it for somebody. ``void`` says why no review counts here at all, if none does (signed statements still do);
    ``problems`` say what could not be found out, so that no approval decides anything.
    """

    provider: str
    head: str
    author: Hand
    hands: tuple[Hand, ...] = ()
    reviews: tuple[Review, ...] = ()
    since: datetime | None = None
    writers: frozenset[str] = frozenset()
    run: DispatchedRun | None = None
    void: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What it takes to open a change request (or to renew one that was refreshed).

    ``reviewers`` are the accounts that are asked to look at it on a hosted forge, ``labels`` the words it is filed
    under.
    """

    title: str
    body: str
    branch: str
    target: str
    head: str
    change_id: str
    statement: Mapping[str, object] = field(default_factory=dict)
    reviewers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Forge(Protocol):
    """Where change requests live."""

    @property
    def provider(self) -> str:
        """``local``, ``github`` or ``gitlab``."""
        ...

    def open(
        self, new: NewRequest, signer: Signer | None, old_head: str | None, now: datetime
    ) -> ChangeRequest:
        """Pushes the branch and opens its request in one step; adopts and renews the open one of that branch."""
        ...

    def requests(
        self, states: Iterable[str] = ("open",), *, branch: str | None = None, change_id: str | None = None
    ) -> Sequence[ChangeRequest]:
        """The requests in these states, oldest first; only those of one branch, or about one change, if it is named."""
        ...

    def request(self, id: str) -> ChangeRequest:
        """One request. Raises NotFound."""
        ...

    def about(self, change_id: str, head: str | None) -> ChangeRequest | None:
        """The open request that asks for a change: by what its author signed, or on a hosted forge by its ``head``."""
        ...

    def landed(self, commits: Sequence[str]) -> Mapping[str, ChangeRequest]:
        """By commit of the registry's branch the merged request that it landed, where the forge knows one."""
        ...

    def opening(self, id: str) -> Statement | None:
        """The signed opening of a request, also of one that is over; None if it was not signed. Raises NotFound."""
        ...

    def conversation(self, request: ChangeRequest, accounts: Collection[str]) -> Conversation | None:
        """Who made a request and who approved it, open or over; None where nothing counts but signed statements.

        ``accounts``: those whose reviews may count; whether others may write is not asked.
        """
        ...

    def review(self, request: ChangeRequest, text: str, *, withdraw: bool = False) -> str:
        """Approves a request's head in the name of the account whose token is used, or takes that back; returns a URL.

        Raises:
            Refused: it is their own request, or the forge keeps no reviews. LostRace: the head is another by now.
        """
        ...

    def comment(self, request: ChangeRequest, text: str) -> str | None:
        """Sets the one comment that gitreg keeps on a request; returns its URL; None where there are no comments."""
        ...

    def rerun_failed(self, head: str) -> str | None:
        """Has CI judge ``head`` (a request's last commit) again where it was found wanting; returns the runs' URLs.

        None if nothing failed. Raises Refused where the forge runs no CI, or the token may not have it run.
        """
        ...

    def audited(self) -> Collection[str] | None:
        """Up to which commits of the registry's branch runs of CI have audited it lately.

        A push can be made so that no run looks at it (``[skip ci]``), and a run can be stopped. None: nobody keeps
        that, or there has been none before.
        """
        ...

    def statements(self, change_id: str, known: Collection[str] | None = None) -> Sequence[Statement]:
        """Approvals and revocations that name this change, each with its signature checked.

        ``known``: the public keys (type and base64) that may count; others' statements are invalid, and cost no check.
        """
        ...

    def state(self, change_id: str, body: Mapping[str, object], signer: Signer, now: datetime) -> str:
        """Signs and files a statement; returns its ref."""
        ...

    def hub_id(self) -> str:
        """What tells this place from every copy of it; "" where nothing does. Approvals name it."""
        ...

    def who_signed(self, commit: Commit) -> Signature | None:
        """Whose key signed a commit, checked; None if it is not signed, or not with an SSH key."""
        ...

    def merge(self, request: ChangeRequest, commit: str, base: str, body: str) -> str:
        """Lands ``commit``, a merge of the request's head into ``base``, and ends the request, with gitreg's branch.

        A forge that makes the merge itself makes one of the same tree and message, or none. ``body`` says for later
        readers what was merged, and on whose approval, where that can be kept. Returns the commit that has landed.
        """
        ...

    def merge_when_ready(self, request: ChangeRequest) -> str | None:
        """Has the forge merge a request as it is now by itself, once its check is green and its reviews are there.

        None: it will. Else a line that says why it will not, also where the forge does not answer. Nothing is raised,
        and nothing is merged at once: the request stands without it.
        """
        ...

    def merge_by_hand(self, request: ChangeRequest) -> None:
        """Takes ``merge_when_ready`` back, whoever asked for it. Nothing to do where nobody has.

        Raises:
            ConfigError: the token may not. Refused: the forge says no. Undecided: no answer.
        """
        ...

    def close(self, request: ChangeRequest) -> None:
        """Ends a request without merging; a branch that gitreg made is deleted."""
        ...


class Guard(Protocol):
    """What a hook asks about the refs in which a forge keeps its requests and statements."""

    def objection(self, update: RefUpdate, landing: Mapping[str, str | None]) -> str | None:
        """Why a push may not move this ref so; None if it may. ``landing``: where the push moves branches."""
        ...

    def ends_request(self, update: RefUpdate) -> bool:
        """Whether the update marks an open request as merged or closed: until then it counts as open."""
        ...

    def lands_request(self, update: RefUpdate) -> tuple[str, str] | None:
        """The number of the request that the update marks as merged, and the commit that has landed it; else None."""
        ...


# Git over HTTP


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and a secret for one web server: it is shown to this scheme and host (with its port) and to no other."""

    scheme: str
    host: str
    user: str
    secret: str = field(repr=False)


#: What is asked for a credential when a server, by scheme and host, wants one. None: it is no server that tokens are
#: for. Raises Undecided if it is one, and there is no token for it.
Credentials = Callable[[str, str], Credential | None]
