"""Contrastive predictive coding: tell the latent that comes next from others, given all that came before.

van den Oord, Li, Vinyals, Representation learning with contrastive predictive coding, 2018.

An encoder makes latents z_t of observations, a context network makes c_t of z up to t, and every c_t predicts the next
K latents, each by weights of its own::

    f_k(x, c_t) = exp(z . W_k c_t)
    loss = -mean over t, k of log f_k(x_t+k, c_t) / (sum over candidates x of f_k(x, c_t))

The softmax is over candidates, for a fixed context: all latents of the pool, the one that came among them, and those
that sound like it too. The loss is at most ln N where nothing is known, and ln N - loss bounds the mutual information
of context and latent from below (section 2.3), whatever there is to know: it never exceeds ln N.

Departures from the paper, and what it leaves open, beside those that _image.py and _text.py name:

- The paper does not say how negatives of the same speaker come into a batch. Here each example brings companions,
  windows of other recordings of its speaker; they and its own window are its candidates, and nothing is predicted from
  them. Its batch-mates are not, even where the speaker is the same.
- Convolutions are padded so that a frame is made of every 160 samples (128 frames of 20480), and start as He et al.
  have it.
- At another sampling rate than `audio.rate` the first convolution stretches, so that frames last as long.
- A recording shorter than a window is followed by zeros; frames beyond its end are no context, target or negative. Past
  its end every layer is zero, so that features of a recording do not depend on what it is padded to.
- The preset "small" has fewer and narrower layers; see `Cpc.presets`.

_config.py says what can be set, _info_nce.py is the loss, _pools.py and _speakers.py where negatives come from,
_ranks.py candidates of all ranks, _stage.py the pretext task, _tower.py what the domains share; _audio.py, _waves.py
and _audio_encoding.py are sound; _image.py, _image_patches.py and _image_encoders.py are images, _text.py and
_text_encoder.py are text, each with its departures; _pictures.py is the gallery, and _learner.py puts them together.
"""

from methods.cpc._config import AudioConfig, CpcConfig, ImageConfig, TextConfig
from methods.cpc._learner import Cpc

__all__ = ["AudioConfig", "Cpc", "CpcConfig", "ImageConfig", "TextConfig"]
