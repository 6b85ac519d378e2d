"""Checkouts follow their branches: every clean one moves along, or nothing moves.

Files and index go first, then the branch: stopped in between, a checkout shows the change as staged. The other way
round it would show the change undone, and the next commit would undo it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from gitreg.adapters.git import checkout, refs
from gitreg.adapters.git.discover import Place
from gitreg.adapters.git.run import attempt
from gitreg.adapters.git.turn import Move, Turn, is_under_way, turn
from gitreg.core.ports import RefUpdate
from gitreg.errors import GitregError, LostRace, Refused

_BRANCHES = "refs/heads/"
_TIDY = "commit, stash or move them away first"


class Checkouts:
    """The checkouts of a repository.

    Args:
        place: where it is.
        ref: the object that one of its refs names; None if there is no such ref.
        empty_tree: stores the empty tree, and returns its id.
    """

    def __init__(self, place: Place, ref: Callable[[str], str | None], empty_tree: Callable[[], str]) -> None:
        self._place = place
        self._folder = os.fspath(place.folder)
        self._ref = ref
        self._empty_tree = empty_tree

    def on(self, ref: str) -> list[Path]:
        """Every checkout where the branch ``ref`` is checked out."""
        is_branch = ref.startswith(_BRANCHES)
        return checkout.all_checkouts(self._place, ref.removeprefix(_BRANCHES)) if is_branch else []

    def _turn(self) -> AbstractContextManager[Turn]:
        """This process's turn to look at checkouts and to move them; see :mod:`gitreg.adapters.git.turn`."""
        return turn(self._place.common_dir, self._take_back)

    def mend(self) -> None:
        """Takes back what a process that died left half moved, so that no checkout waits for the next move."""
        if is_under_way(self._place.common_dir):
            with self._turn():
                pass

    def _take_back(self, move: Move) -> None:
        """Moves a checkout back whose branch did not follow, as a process died in between.

        If anything else is in the checkout than what was to be there, it is a person's, and left to them.
        """
        folder = Path(move.folder)
        stayed = self._ref(move.ref) == move.old and folder in self.on(move.ref)
        if stayed and checkout.obstacle(folder, move.new) is None:
            self._switch_back(move)

    def _switch_back(self, move: Move) -> bool:
        return checkout.switch(Path(move.folder), move.new, move.old or self._empty_tree())

    @contextmanager
    def moved(self, updates: Sequence[RefUpdate]) -> Iterator[None]:
        """Moves the checkouts of branches first, and back if the block fails, which moves the branches.

        Raises:
            Refused: a checkout is not clean, or a branch that goes is checked out. LostRace: one changed meanwhile.
            Undecided: others move checkouts for too long.
        """
        with self._turn() as held:
            for update in updates:
                self._demand_undisturbed(update)
            with self._switched(updates, held):
                yield

    @contextmanager
    def _switched(self, updates: Sequence[RefUpdate], held: Turn) -> Iterator[None]:
        moves = list(self._moves(updates))
        held.begin(moves)
        switched: list[Move] = []
        try:
            for move in moves:
                if not checkout.switch(Path(move.folder), move.old or self._empty_tree(), move.new):
                    raise self._not_switched(move)
                switched.append(move)
            yield
        except BaseException:
            back = [self._switch_back(move) for move in switched]
            if all(back):
                held.end()  # else whoever has the next turn tries again
            raise
        held.end()

    def _not_switched(self, move: Move) -> GitregError:
        """Why a checkout that was clean just now could not be moved."""
        if checkout.obstacle(Path(move.folder), move.old or self._empty_tree()) is not None:
            return LostRace(f"{move.folder!r} changed meanwhile", "try again")
        return Refused(f"untracked files in {move.folder!r} would be overwritten", _TIDY)

    def _moves(self, updates: Sequence[RefUpdate]) -> Iterator[Move]:
        """How each checkout that the updates concern has to move."""
        for update in updates:
            if update.new is not None and self._ref(update.ref) == update.old:
                for folder in self.on(update.ref):
                    yield Move(os.fspath(folder), update.ref, update.old, update.new)

    def _demand_undisturbed(self, update: RefUpdate) -> None:
        """Untracked files that are in the way are found by moving the checkout."""
        if self._ref(update.ref) != update.old:
            return
        for folder in self.on(update.ref):
            if update.new is None:
                branch = update.ref.removeprefix(_BRANCHES)
                raise Refused(
                    f"{branch!r} is checked out in {os.fspath(folder)!r}", "switch to another branch there"
                )
            reason = checkout.obstacle(folder, update.old or self._empty_tree())
            if reason is not None:
                raise Refused(reason, _TIDY)

    def obstacle(self, ref: str) -> str | None:
        """Why the checkouts of a branch could not move along with it; None if they could, or there are none."""
        folders = self.on(ref)
        if not folders:
            return None
        with self._turn():
            base = self._ref(ref) or self._empty_tree()
            reasons = (checkout.obstacle(folder, base) for folder in folders)
            return next((reason for reason in reasons if reason is not None), None)

    def follow(self, folders: Sequence[Path], ref: str, old: str | None, new: str) -> bool:
        """Moves those of some checkouts along that are clean and only go forward; whether all did."""
        with self._turn() as held:
            followed = [self._follow_in(folder, ref, old, new, held) for folder in folders]
            return all(followed)

    def _follow_in(self, folder: Path, ref: str, old: str | None, new: str, held: Turn) -> bool:
        here = self._ref(ref)
        landed = here is not None and (here == new or self._is_ancestor(new, here))
        if here is not None and landed and checkout.obstacle(folder, here) is None:
            return True  # it moved with the branch, by now perhaps further
        if here not in {None, old, new} and not self._is_ancestor(here, new):
            return False
        base = (old if here == new else here) or self._empty_tree()
        if checkout.obstacle(folder, base) is not None:
            return False
        held.begin([Move(os.fspath(folder), ref, here, new)])
        if not checkout.switch(folder, base, new):
            return False
        followed = here == new or self._advance(folder, RefUpdate(ref, here, new), base)
        held.end()
        return followed

    def _advance(self, folder: Path, update: RefUpdate, base: str) -> bool:
        try:
            refs.move_here(self._folder, [update])
        except GitregError:  # somebody moved the branch this very moment
            checkout.switch(folder, update.new or base, base)
            return False
        return True

    def _is_ancestor(self, one: str | None, other: str) -> bool:
        args = ["merge-base", "--is-ancestor", "--end-of-options", one or "", other]
        return attempt(args, self._folder).code == 0
