"""Whether a change may land, in two phases: what must be known, then a pure judgement over it."""
