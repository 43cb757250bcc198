"""A user's examples: read once, and kept as token ids on disk."""
