"""The formats that presets come in, each in a file of its own."""
