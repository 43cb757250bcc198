"""From a preset handle to a checkpoint: a configuration and named arrays."""
