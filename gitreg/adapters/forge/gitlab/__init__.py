"""Merge requests on GitLab.com, and on a GitLab of one's own."""
