"""BERT: words left out are predicted from both sides, and whether a text follows another.

Devlin, Chang, Lee, Toutanova, BERT: Pre-training of deep bidirectional Transformers for language understanding,
NAACL 2019 (arXiv 2018). Defaults are those of the paper's Base model; details that it leaves open follow the released
code (google-research/bert).

Departures:

- An example is a document. An epoch takes one sequence from each, cut at a random place where the document is longer,
  with fresh dice for the cut, the pair and the masks; the released code cut all documents into sequences beforehand and
  masked each ten times. So every document counts alike, whatever its length.
- A second piece from elsewhere has no more sentences than the true one would have had. In the released code it fills
  the room, and in short documents its length would give the answer away.
- A document of one sentence has no second piece, takes part in the masked language model alone, and is not asked what
  follows; the released code pairs it with another and so asks for more "does not follow" than "follows". An empty
  document has nothing to predict. A random document is never the same one.
- nsp: false leaves out the task and its layers. Sequences are then two pieces that always follow one another, so that
  both segment embeddings are trained. (Changing the labels alone would still pair short documents with others.)
- direction: left_to_right predicts every token that is not special from those before it, without masks.
- Adam corrects its bias; the released code does not, which warm-up all but hides. Decay is decoupled and spares biases
  and normalisation, as there.
- One length throughout: the paper trains on 128 tokens for nine tenths of the steps and on 512 for the last. A suite
  can do the first part by max_length: 128, not the change.
- WordPiece merges the most frequent pair, as `tokenizers` does; the paper's trainer was not released.
- Texts longer than max_length are encoded in windows that overlap by half, each token taken from the window in which it
  has most context, as the released code does for SQuAD alone; elsewhere that cuts texts off. Pairs are always text
  first, second after it. For SQuAD the released code puts the question first.
- Pooled features are means over tokens; the paper fine-tunes on the pooled [CLS], here "pooler".
- Bytes that are not UTF-8 are left out.

Padding is trimmed to the longest sequence of a batch in training (the monitor "padding" is the share of computed tokens
that it still makes up), and in encoding sequences of like length go together. Only selected tokens go through the
output layer.

_config.py says what can be set, methods/_wordpiece.py what a token is, methods/_sentences.py reads documents, _pairs.py
cuts sequences, _masking.py hides tokens, _encoder.py is the network, _stage.py the pretext task, _encoding.py the
features of whole texts, _guesses.py the gallery, and _learner.py puts them together.
"""

from methods.bert._config import BertConfig
from methods.bert._learner import Bert

__all__ = ["Bert", "BertConfig"]
