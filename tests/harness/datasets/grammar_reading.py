"""A reader of the grammar's sentences, written apart from what generates them: parts of speech, agreement, facts.

It knows which parts of speech a form can be and what a clause looks like, and tries every combination.
"""

from __future__ import annotations

import re
from itertools import product
from typing import NamedTuple

#: n, N: noun in singular and plural; v, V: finite verb that agrees with a singular and with a plural; x: participle;
#: a, b: "is" and "are"; m: "can"; s: "does". Of the rest the letter is of its part of speech alone.
TAG = {
    **dict.fromkeys("nN", "noun"),
    **dict.fromkeys("vVxi", "verb"),
    **dict.fromkeys("abms", "auxiliary"),
    "J": "adjective",
    "D": "determiner",
    "P": "preposition",
    "R": "adverb",
    "w": "adverb",
    "O": "pronoun",
    "q": "pronoun",
    "p": "pronoun",
    "E": "name",
    "C": "conjunction",
}


def _split(words: str) -> list[str]:
    return words.split()


_BOTH = _split(
    "sail net hook dock anchor ship board tow plant seed crop herd milk plough water fence cook salt spice "
    "butter slice grill season roast hunt trail camp log track trap shelter climb saw nail hammer drill file "
    "plane paint clamp stage dance mask act script cast costume light "
)
_NOUNS = _split(
    "sailor captain diver whale rope boat farmer shepherd rider cow tractor barn baker waiter butcher soup "
    "oven pot hunter ranger hermit owl tree tent joiner smith turner bench ladder door singer actor dancer "
    "song curtain drum pier shore bay field meadow stable café pantry cellar glade cave river shed yard garage "
    "hall balcony foyer day sky colour "
)
_VERBS = _split(
    "moor steer row feed graze shear bake serve chop spy burn gather build carve mend sing rehearse perform"
)
_VERBS += _split("wait rest move turn work stop")
SYNONYMS = (
    ("mood", "happy glad"),
    ("mood", "sad gloomy"),
    ("mood", "angry furious"),
    ("mood", "scared fearful"),
    ("colour", "red scarlet"),
    ("colour", "blue navy"),
    ("colour", "yellow golden"),
    ("colour", "white pale"),
    ("weather", "rainy wet"),
    ("weather", "sunny bright"),
    ("weather", "snowy icy"),
    ("weather", "windy stormy"),
)
FEMALE = ("anna", "zoë", "chloé", "maria", "ruth", "clara")
MALE = ("josé", "peter", "jürgen", "paul", "simon", "hugo")


def _lexicon() -> dict[str, str]:
    """Every letter that a form can be."""
    found: dict[str, str] = {}

    def add(letters: str, forms: list[str]) -> None:
        for form in forms:
            found[form] = found.get(form, "") + letters

    add("n", [*_BOTH, *_NOUNS])
    add("N", [_s(word) for word in [*_BOTH, *_NOUNS]])
    add("V", [*_BOTH, *_VERBS, *_split("warm clean empty open dry cool")])
    add("v", [_s(word) for word in [*_BOTH, *_VERBS, *_split("warm clean empty open dry cool")]])
    add("v", _split("feels stays owns leads follows"))
    add("i", ["feel"])
    add("x", ["led", "followed"])
    add("J", _split("giant cold square native rival twin warm clean empty open dry cool"))
    add("n", _split("giant cold square native rival twin"))
    add("N", _split("giants colds squares natives rivals twins"))
    add("J", [word for _, synonyms in SYNONYMS for word in synonyms.split()])
    add("D", _split("the this that these some his her which"))
    add("O", _split("she he it her him"))
    add("q", ["who"])
    add("p", ["this", "these"])
    add("w", ["how"])
    add("E", [*FEMALE, *MALE])
    add("P", _split("near inside around behind below past before after until of to by"))
    add("R", _split("near inside around behind below past often slowly again today"))
    add("C", _split("and but while before after until"))
    found.update({"is": "a", "are": "b", "can": "m", "does": "s"})
    return found


def _s(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if re.search("(s|x|z|ch|sh)$", word) else "s")


LEXICON = _lexicon()
_PHRASE = "(DJ?[nN])"
_WHERE = "(R|PDn)?"
_REST = f"({_PHRASE}{_WHERE}|O{_WHERE}|[OE]{_WHERE}|{_WHERE}|J)"
_SINGULAR = f"((E|O|DJ?n)(P{_PHRASE})?(v{_REST}|aJ)|[EO]axP[EO](PDn)?|[EO]vE(PDn)?|DnPEaJ)"
_PLURAL = f"(D?J?N(P{_PHRASE})?(V{_REST}|bJ))"
_CLAUSE = f"({_SINGULAR}|{_PLURAL}|pmV)"
_STATEMENT = re.compile(f"{_CLAUSE}(C{_CLAUSE})?")
_QUESTION = re.compile("wsEi|qaJ|DnaDn|waDn|qvE")


def readings(text: str) -> list[tuple[str, ...]]:
    """All ways to read a sentence, as a part of speech for each word; its verbs agree with their subjects in each."""
    return sorted({tuple(TAG[letter] for letter in letters) for letters in _parses(text)})


def _parses(text: str) -> set[str]:
    words, grammar = text[:-1].split(" "), _QUESTION if text.endswith("?") else _STATEMENT
    combined = ("".join(letters) for letters in product(*(LEXICON[word] for word in words)))
    return {letters for letters in combined if grammar.fullmatch(letters)}


class Claim(NamedTuple):
    """What a clause says of what: value is a class of synonyms or, of `follows`, who is followed."""

    kind: str
    of: str
    value: str


_VALUE = {(kind, word): synonyms for kind, synonyms in SYNONYMS for word in synonyms.split()}
_FORMS = (
    ("mood", re.compile(r"(?P<of>\w+) (?:is|feels) (?P<value>\w+)")),
    ("colour", re.compile(r"(?P<of>\w+) owns the (?P<value>\w+) \w+")),
    ("colour", re.compile(r"the \w+ of (?P<of>\w+) is (?P<value>\w+)")),
    ("colour", re.compile(r"(?P<of>her|his) \w+ is (?P<value>\w+)")),
    ("weather", re.compile(r"(?P<of>it|the day) is (?P<value>\w+)")),
    ("weather", re.compile(r"(?P<of>the sky) stays (?P<value>\w+)")),
    ("follows", re.compile(r"(?P<of>\w+) (?:follows|is led by) (?P<value>\w+)(?: to the \w+)?")),
    ("follows", re.compile(r"(?P<value>\w+) (?:leads|is followed by) (?P<of>\w+)(?: to the \w+)?")),
)


def claims(text: str) -> set[Claim]:
    """The facts that sentences tell; what they tell of scenes is left out."""
    clauses = re.split(r"[.?] ?| (?:and|but|while|before|after|until) ", text)
    return {claim for clause in clauses for claim in _claim(clause)}


def _claim(clause: str) -> set[Claim]:
    found = set()
    for kind, form in _FORMS:
        match = form.fullmatch(clause)
        if match is None:
            continue
        of, value = match["of"], match["value"]
        if kind == "follows" and {of, value} <= {*FEMALE, *MALE}:
            found.add(Claim(kind, of, value))
        if (kind, value) in _VALUE:
            found.add(Claim(kind, "day" if kind == "weather" else of, _VALUE[kind, value]))
    return found


def entails(premise: str, hypothesis: str) -> bool:
    """By how many act, who leads whom, or another fact told."""
    deed = re.fullmatch(r"(this|these) can (\w+)\.", hypothesis)
    if deed is not None:
        (letters,) = _parses(premise)
        place = re.search("[vV]", letters)
        assert place is not None
        assert premise[:-1].split(" ")[place.start()] in {deed[2], _s(deed[2])}
        return (letters[place.start()] == "V") == (deed[1] == "these")
    if hypothesis in ("she leads him.", "he leads her."):
        (led,) = {claim.of for claim in claims(premise) if claim.kind == "follows"}
        return (led in MALE) == (hypothesis == "she leads him.")
    (claim,) = claims(hypothesis)
    told = {other.value for other in claims(premise) if (other.kind, other.of) == (claim.kind, claim.of)}
    assert told, (premise, hypothesis)
    return told == {claim.value}
