"""The language of formants: its phones, how each is made, and its words."""

from __future__ import annotations

from typing import NamedTuple


class Phone(NamedTuple):
    """Frequencies in Hz, of a vocal tract of scale 1.

    Attributes:
        formants: F1, F2, F3 that the phone aims at; consonants bend those of their neighbours towards theirs.
        voice: of the glottis, in 256ths of that of a vowel.
        hiss: of the noise made at the constriction, in 256ths.
        centre, width: of the resonance of that noise.
        shortest, longest: in units of 2.5 ms, before the speaker's tempo.
        stop: a closure in silence, then the hiss as a burst and a little breath.
    """

    name: str
    formants: tuple[int, int, int]
    voice: int = 0
    hiss: int = 0
    centre: int = 2000
    width: int = 1000
    shortest: int = 22
    longest: int = 40
    stop: bool = False


SILENCE = "sil"
# Vowels: men of Peterson and Barney (1952), Table II. Consonants: places of articulation after Klatt (1980), Table II,
# roughly; there is nothing above 4 kHz, where real [s] and [f] mostly lie.
PHONES = (
    Phone(SILENCE, (500, 1500, 2500), shortest=20, longest=56),
    Phone("iy", (270, 2290, 3010), voice=256, shortest=26, longest=52),
    Phone("eh", (530, 1840, 2480), voice=256, shortest=26, longest=52),
    Phone("ae", (660, 1720, 2410), voice=256, shortest=26, longest=52),
    Phone("aa", (730, 1090, 2440), voice=256, shortest=26, longest=52),
    Phone("ao", (570, 840, 2410), voice=256, shortest=26, longest=52),
    Phone("uw", (300, 870, 2240), voice=256, shortest=26, longest=52),
    Phone("er", (490, 1350, 1690), voice=256, shortest=26, longest=52),
    Phone("m", (250, 950, 2200), voice=110, shortest=20, longest=36),
    Phone("n", (250, 1600, 2600), voice=110, shortest=20, longest=36),
    Phone("l", (350, 1000, 2800), voice=150, shortest=18, longest=34),
    Phone("r", (330, 1200, 1550), voice=150, shortest=18, longest=34),
    Phone("s", (320, 1650, 2600), hiss=420, centre=3500, width=500),
    Phone("sh", (320, 1850, 2450), hiss=420, centre=2350, width=450),
    Phone("f", (300, 950, 2150), hiss=260, centre=1500, width=2600),
    Phone("p", (250, 800, 2100), hiss=700, centre=700, width=900, stop=True),
    Phone("t", (250, 1750, 2700), hiss=700, centre=3200, width=800, stop=True),
    Phone("k", (250, 1950, 2200), hiss=700, centre=1800, width=400, stop=True),
)
INDEX = {phone.name: index for index, phone in enumerate(PHONES)}

# Syllables are an onset of one consonant or of a stop or fricative with a liquid, a vowel, and at most one consonant.
# No word begins another, so that the next phone follows from the last ones more and more as a word goes on.
LEXICON = tuple(
    tuple(word.split())
    for word in (
        "s ao m iy",
        "s uw n er",
        "s t ae k",
        "sh iy l aa",
        "sh eh p uw",
        "sh ao r t iy",
        "f ae n ao",
        "f l uw m",
        "f er s iy t",
        "p r ao sh",
        "p iy k er",
        "p ae l uw s",
        "t uw f eh",
        "t er n iy",
        "t r aa m",
        "k l iy f",
        "k aa s eh n",
        "k er m ao",
        "m uw t er",
        "m eh sh ae",
        "m ae r iy k",
        "n ao k eh",
        "n iy f aa l",
        "n er p ae",
        "l aa t ao",
        "l eh m uw",
        "l er sh aa p",
        "r ae s ao",
        "r uw l eh f",
        "r ao n ae t",
        "ao p er",
        "aa f uw sh",
    )
)
