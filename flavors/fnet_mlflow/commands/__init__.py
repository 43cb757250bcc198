"""The `fnet` commands of the flavor."""
