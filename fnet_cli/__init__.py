"""The `fnet` command, above all packages: it knows them, and none knows it."""
