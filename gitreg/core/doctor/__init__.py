"""Whether what a registry rests on is really there: facts about this machine and the forge in, points out."""
