"""The vocabulary of the grammar: word forms, topics, and the words in which facts are told.

Many forms are two parts of speech, as in English: "sails" is a noun or a verb, "light" an adjective or a noun, "near"
a preposition or an adverb, "her" a determiner or a pronoun. All words are in lower case, names too.
"""

from __future__ import annotations

from dataclasses import dataclass

TAGS = (
    "noun",
    "verb",
    "adjective",
    "determiner",
    "preposition",
    "adverb",
    "pronoun",
    "name",
    "conjunction",
    "auxiliary",
)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Attributes:
    both: words that are nouns and transitive verbs alike; every form of theirs is ambiguous.
    people, things: nouns only. The last thing is what the document's owner owns.
    verbs: transitive verbs only.
    places: nouns that stand after prepositions.
    """

    name: str
    both: tuple[str, ...]
    people: tuple[str, ...]
    things: tuple[str, ...]
    verbs: tuple[str, ...]
    places: tuple[str, ...]


def _topic(name: str, *, both: str, people: str, things: str, verbs: str, places: str) -> Topic:
    parts = (tuple(part.split()) for part in (both, people, things, verbs, places))
    return Topic(**dict(zip(("both", "people", "things", "verbs", "places"), parts, strict=True)), name=name)


TOPICS = (
    _topic(
        "harbour",
        both="sail net hook dock anchor ship board tow",
        people="sailor captain diver",
        things="whale rope boat",
        verbs="moor steer row",
        places="pier shore bay",
    ),
    _topic(
        "farm",
        both="plant seed crop herd milk plough water fence",
        people="farmer shepherd rider",
        things="cow tractor barn",
        verbs="feed graze shear",
        places="field meadow stable",
    ),
    _topic(
        "kitchen",
        both="cook salt spice butter slice grill season roast",
        people="baker waiter butcher",
        things="soup oven pot",
        verbs="bake serve chop",
        places="café pantry cellar",
    ),
    _topic(
        "forest",
        both="hunt trail camp log track trap shelter climb",
        people="hunter ranger hermit",
        things="owl tree tent",
        verbs="spy burn gather",
        places="glade cave river",
    ),
    _topic(
        "workshop",
        both="saw nail hammer drill file plane paint clamp",
        people="joiner smith turner",
        things="bench ladder door",
        verbs="build carve mend",
        places="shed yard garage",
    ),
    _topic(
        "theatre",
        both="stage dance mask act script cast costume light",
        people="singer actor dancer",
        things="song curtain drum",
        verbs="sing rehearse perform",
        places="hall balcony foyer",
    ),
)

#: Adjectives that are nouns too. After a determiner only what follows tells which: "the giant sails ..." has two
#: readings until an object or another verb comes.
DOUBLE = ("giant", "cold", "square", "native", "rival", "twin")
#: Adjectives that are transitive verbs too.
ADJECTIVES = ("warm", "clean", "empty", "open", "dry", "cool")
INTRANSITIVE = ("wait", "rest", "move", "turn", "work", "stop")
#: Prepositions with a noun phrase after them, adverbs without.
PARTICLES = ("near", "inside", "around", "behind", "below", "past")
ADVERBS = ("often", "slowly", "again", "today")
#: Between two clauses; those in `TEMPORAL` are prepositions before a noun phrase.
CONJUNCTIONS = ("and", "but", "while")
TEMPORAL = ("before", "after", "until")

WOMEN = ("anna", "zoë", "chloé", "maria", "ruth", "clara")
MEN = ("josé", "peter", "jürgen", "paul", "simon", "hugo")

#: Values of a fact, each told by synonyms.
MOODS = (("happy", "glad"), ("sad", "gloomy"), ("angry", "furious"), ("scared", "fearful"))
COLOURS = (("red", "scarlet"), ("blue", "navy"), ("yellow", "golden"), ("white", "pale"))
WEATHERS = (("rainy", "wet"), ("sunny", "bright"), ("snowy", "icy"), ("windy", "stormy"))

_ES = ("s", "x", "z", "ch", "sh")


def s_form(word: str) -> str:
    """Plural of a noun, third person singular of a verb: "sails", "branches", "carries"."""
    if word.endswith(_ES):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") and word[-2] not in "aeiou" else word + "s"
