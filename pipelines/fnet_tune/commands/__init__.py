"""The command of tuning."""
