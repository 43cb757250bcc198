"""What a version is: its digest, its probe vectors, its settings."""
