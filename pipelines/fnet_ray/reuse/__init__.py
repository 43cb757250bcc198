"""Vectors that an older output holds: found by their texts, and taken over to the last bit."""
