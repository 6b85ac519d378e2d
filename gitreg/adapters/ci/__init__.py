"""What CI tells a run about why it runs: GitHub Actions by an event file, GitLab CI by variables.

People who may open a request choose much of it (names of branches, for one), so it is read as hostile: nothing of it is
taken that is not of the form that it must have.
"""
