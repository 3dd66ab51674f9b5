"""Colorization: colour a gray frame by copying colours from the frames before it; what is learned on the way tracks.

Vondrick, Shrivastava, Fathi, Guadarrama, Murphy, Tracking emerges by colorizing videos, ECCV 2018.

Every pixel j of a target frame points at all pixels i of all reference frames by the similarity of embeddings f that
are computed from gray frames alone::

    A_ij = exp(f_i . f_j / T) / sum_k exp(f_k . f_j / T)        (no normalisation of f)
    y_j  = sum_i A_ij c_i                                       (c_i: one-hot, of a palette of Lab's a and b)
    loss = -sum_j log y_j[c_j]                                  (of the mixture: y is a distribution already)

The colour of the target is in the loss and nowhere else. At test time the same pointers carry labels instead.

Departures from the paper:

- A target pixel whose colour no reference pixel has is left out: its loss would be infinite whatever f is. The monitor
  "unseen" says how many these are.
- In videos shorter than a clip the first frame stands in for references before it.
- Gray is Lab's lightness, colours are means over the cells that a position of the map stands for.
- Optional: fewer target pixels a step (`targets`), embeddings of unit length (`normalise`), and the small network. The
  preset "small" has all three: of the ways tried on sprites' train and val, unit length tracked best for the time.
- The paper's two learning rates are a cosine here (see `Colorization.presets`).
- The temporal network sees four frames in training; whole videos are encoded by sliding it along them, so that a frame
  has up to five neighbours on both sides.

_config.py says what can be set, _clips.py how videos are read, _color.py and _palette.py what a colour is,
_networks.py what is trained, _pointing.py the mathematics above, _stage.py the pretext task, _encoding.py the features
of whole videos, _pictures.py the gallery, and _learner.py puts them together.
"""

from methods.colorization._color import lab
from methods.colorization._config import ColorizationConfig
from methods.colorization._learner import Colorization

__all__ = ["Colorization", "ColorizationConfig", "lab"]
