"""The benchmark for self-supervised learning: which method learns the best representation, and how sure are we?"""

__version__ = "0.1.0"
