"""What an attacker tries, one real repository per case; a package, so that ``dvc.py`` here hides no library."""
