"""What was derived and is kept on disk; anything here may be lost at any time."""
