"""The second half of the paper: how a network groups categories, and the filters behind one of them (§3)."""
