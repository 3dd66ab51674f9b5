"""Reports for people: one HTML page and the pictures in it, and the mirror in W&B."""
