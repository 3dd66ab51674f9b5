"""Contrastive predictive coding: tell the latent that comes next from others, given all that came before."""

from methods.cpc._config import AudioConfig, CpcConfig, ImageConfig, TextConfig
from methods.cpc._learner import Cpc

__all__ = ["AudioConfig", "Cpc", "CpcConfig", "ImageConfig", "TextConfig"]
