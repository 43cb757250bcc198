"""Input files to rows of texts."""
