"""From bytes to manifests and back: strict YAML, comment-keeping edits, JSON Schemas, DVC's pointer files."""
