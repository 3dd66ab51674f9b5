"""Context prediction: where does one patch of an image lie relative to another?

Doersch, Gupta, Efros, Unsupervised visual representation learning by context prediction, ICCV 2015.

The name. The lecture that this project started from heads this method "Context Encoders". Its text and its citation
are of the work above; Context Encoders are another method (Pathak et al., CVPR 2016), which paints in a missing part
of an image. So the module is called after what it does, and nothing here reconstructs pixels.

Two patches go through the same tower up to fc6 (tied weights, late fusion); a small network on both codes says at
which of eight places the second lies around the first::

    0 1 2
    3 . 4
    5 6 7

Reversed, a pair of label l has label 7 - l. The task can be solved without seeing any object, by lines that run from
one patch into the next or by the colour fringes of a lens, unless that is prevented: by a gap and jitter between
patches, and by colour dropping or projection.

The defaults follow the authors' released code (cdoersch/deepcontext) where it is explicit. Departures from it:

- A batch counts images (each with `grids` grids), not patches up to 512. The loss is a sum over pairs, but is divided
  by their number, so learning rates are of the mean.
- Images are stored at one size, so `pixels` enlarges small ones, which photographs of the paper's size are spared.
- color drop subtracts the mean of each channel over the corpus, as the paper's text is remembered to; drop_rms, which
  is the code's, the mean of each patch. Features of whole images then take that of the image.
- No bias where batch normalisation follows; its running statistics take in a tenth of each batch, not a thousandth.
- The ResNet tower and the small one are ours.
- Of videos any frame of each is an image to learn from; their features are those of their frames.

_config.py says what can be set, _stills.py where images come from, _sampling.py where patches lie, _patches.py how
they are cut and pixelated, _color.py how colour is hidden, _towers.py and _fusion.py what is trained, _stage.py the
pretext task, _encoding.py the features of whole images, _pictures.py the gallery, and _learner.py puts them together.
"""

from methods.context_prediction._config import ContextPredictionConfig
from methods.context_prediction._learner import ContextPrediction

__all__ = ["ContextPrediction", "ContextPredictionConfig"]
