"""``python -m gitreg``."""

from gitreg.surfaces.cli.main import main

if __name__ == "__main__":
    main()
