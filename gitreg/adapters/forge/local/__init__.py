"""The embedded forge: change requests as refs of any git repository."""
