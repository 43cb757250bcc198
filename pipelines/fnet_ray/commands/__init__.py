"""The commands `fnet embed` and `fnet status`."""
