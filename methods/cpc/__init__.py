"""Contrastive predictive coding: being built."""
