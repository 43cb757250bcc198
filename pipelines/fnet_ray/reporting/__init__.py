"""The page on which people look at an output: gathered from its record, drawn, written."""
