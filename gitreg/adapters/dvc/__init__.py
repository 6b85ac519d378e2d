"""Artifacts in a DVC remote, through DVC's object layer: stored so that plain DVC reads them, verified when read."""
