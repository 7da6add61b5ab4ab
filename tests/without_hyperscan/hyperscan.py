"""Stands where hyperscan would be imported from, and says that there is no wheel for this machine (`tests.engines`)."""

raise ModuleNotFoundError("hyperscan is kept away from this interpreter", name="hyperscan")
