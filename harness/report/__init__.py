"""Reports for people: one HTML page, and the pictures in it. W&B's mirror will live here too."""
