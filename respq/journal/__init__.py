"""Where batches are kept: memory or disk, and how a state is read back."""
