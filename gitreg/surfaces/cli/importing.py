"""``gitreg import``: models of other systems."""

from __future__ import annotations

import click

from gitreg.surfaces.cli.import_gto import import_gto
from gitreg.surfaces.cli.import_mlflow import import_mlflow
from gitreg.surfaces.cli.session import Group


@click.group("import", cls=Group)
def importing() -> None:
    """Bring the models of another registry here."""


importing.add_command(import_mlflow)
importing.add_command(import_gto)
