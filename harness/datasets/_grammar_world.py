"""What a document is about: two persons, a thing, the weather; and the facts that hold throughout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.datasets._grammar_dice import Dice
from harness.datasets._grammar_words import ADJECTIVES, COLOURS, DOUBLE, MEN, MOODS, TOPICS, WEATHERS, WOMEN, Topic

FactKind = Literal["mood", "colour", "weather", "leads"]
#: How many values each kind of fact can have.
VALUES: dict[FactKind, int] = {"mood": len(MOODS), "colour": len(COLOURS), "weather": len(WEATHERS), "leads": 2}


class Person(NamedTuple):
    name: str
    female: bool


class Fact(NamedTuple):
    """Attributes:
    holder: whose mood: 0 or 1, an index into `World.people`; 0 for the other kinds.
    value: index into the values of this kind; for "leads", who leads the other.
    """

    kind: FactKind
    holder: int
    value: int


@dataclass(frozen=True, kw_only=True)
class World:
    """Attributes:
    topic: of the document.
    people: a woman and a man, in either order, so that pronouns are never ambiguous. The first owns the thing.
    nouns, verbs: of the topic, to which the scenes keep coming back; each noun with its number (True: plural).
    facts: both moods, which differ, the colour of the thing, the weather, who leads whom.
    """

    topic: Topic
    people: tuple[Person, Person]
    nouns: tuple[tuple[str, bool], ...]
    verbs: tuple[str, ...]
    facts: tuple[Fact, ...]

    @property
    def thing(self) -> str:
        return self.topic.things[-1]


def world(topic: int, dice: Dice) -> World:
    """Draws what a document on this topic is about."""
    people = (Person(dice.pick(WOMEN), True), Person(dice.pick(MEN), False))
    one = dice.below(len(MOODS))
    other = (one + 1 + dice.below(len(MOODS) - 1)) % len(MOODS)
    facts = (
        Fact("mood", 0, one),
        Fact("mood", 1, other),
        Fact("colour", 0, dice.below(len(COLOURS))),
        Fact("weather", 0, dice.below(len(WEATHERS))),
        Fact("leads", 0, dice.below(2)),
    )
    own = TOPICS[topic]
    nouns = tuple((dice.pick(group), dice.percent(50)) for group in (own.both, own.both, own.people, DOUBLE))
    verbs = tuple(dice.pick(group) for group in (own.both, own.both, (*own.verbs, *ADJECTIVES)))
    return World(topic=own, people=people if dice.percent(50) else people[::-1], nouns=nouns, verbs=verbs, facts=facts)


def altered(fact: Fact, dice: Dice) -> Fact:
    """The same fact with another value, each equally likely: what contradicts it."""
    values = VALUES[fact.kind]
    return fact._replace(value=(fact.value + 1 + dice.below(values - 1)) % values)
