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
    Phone(SILENCE, (500, 1500, 2500), shortest=12, longest=32),
    Phone("iy", (270, 2290, 3010), voice=256, shortest=26, longest=48),
    Phone("eh", (530, 1840, 2480), voice=256, shortest=26, longest=48),
    Phone("ae", (660, 1720, 2410), voice=256, shortest=26, longest=48),
    Phone("aa", (730, 1090, 2440), voice=256, shortest=26, longest=48),
    Phone("ao", (570, 840, 2410), voice=256, shortest=26, longest=48),
    Phone("uw", (300, 870, 2240), voice=256, shortest=26, longest=48),
    Phone("er", (490, 1350, 1690), voice=256, shortest=26, longest=48),
    Phone("m", (250, 950, 2200), voice=90, shortest=20, longest=36),
    Phone("n", (250, 1400, 2500), voice=90, shortest=20, longest=36),
    Phone("l", (350, 1000, 2800), voice=140, shortest=18, longest=34),
    Phone("r", (330, 1200, 1550), voice=140, shortest=18, longest=34),
    Phone("s", (320, 1650, 2600), hiss=300, centre=3500, width=500),
    Phone("sh", (320, 1850, 2450), hiss=300, centre=2350, width=450),
    Phone("f", (300, 950, 2150), hiss=160, centre=1800, width=2600),
    Phone("p", (250, 800, 2100), hiss=320, centre=700, width=900, stop=True),
    Phone("t", (250, 1750, 2700), hiss=320, centre=3200, width=800, stop=True),
    Phone("k", (250, 1950, 2200), hiss=320, centre=1800, width=400, stop=True),
)
INDEX = {phone.name: index for index, phone in enumerate(PHONES)}

# Sixteen words of five or six phones, in which every vowel and every consonant is about as frequent as any other. After
# two phones the word is known, and with it what follows; what a phone's own frame leaves open, its past decides.
LEXICON = tuple(
    tuple(word.split())
    for word in (
        "s ao m iy t er",
        "s t uw n aa l",
        "sh iy l ae k ao",
        "sh er p eh n",
        "f ae r iy sh uw",
        "f l ao t eh m",
        "p r uw f iy k",
        "p aa s er n ae",
        "t eh sh aa r ao",
        "t iy m uw p eh",
        "k er f ao l iy",
        "k l aa sh eh t",
        "m ae s uw r aa",
        "n uw p er f ae",
        "l eh k aa m er",
        "r ao n iy s ae p",
    )
)
