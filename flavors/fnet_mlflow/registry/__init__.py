"""Models as versions in a registry."""
