"""The hubs that presets come from: their caches, and the child process that talks to them."""
