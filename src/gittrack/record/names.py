"""Names for runs that were given none: an adjective, an animal and a number, as MLflow makes them."""

from __future__ import annotations

import os

_ADJECTIVES = """
    able amber ample bold brave bright brisk calm clean clear clever cosy crisp daring eager early fair fast fond
    fresh gentle glad golden grand happy hardy honest jolly keen kind lively loyal lucid lucky merry mild neat noble
    patient plain polite proud quick quiet rapid rare ready rustic sharp silent silver sleek smart snug solid spry
    steady still stoic sunny swift tidy upbeat vivid warm wise witty young zesty
""".split()
_ANIMALS = """
    ant ape asp auk bat bear bee bison boar bug cat cod colt cow crab crane crow cub deer doe dog dove duck eel elk
    ewe fawn finch fish fly fowl fox frog gnat goat goose grub gull hare hawk hen hog horse jay kite koi lamb lark
    loon lynx mare midge mink mole moose moth mouse mule newt owl ox panda perch pig pug quail ram rat rook seal
    shad shark sheep shrew skink skunk slug smelt snail snake snipe sow squid stag stork swan tern toad trout vole
    wasp whale wolf worm wren yak
""".split()


def made_up() -> str:
    """Return a name such as `brisk-heron-412`; names are labels and may repeat."""
    chance = int.from_bytes(
        os.urandom(8), "little"
    )  # not `random`: a training that seeds it would repeat its names
    chance, number = divmod(chance, 1000)
    chance, adjective = divmod(chance, len(_ADJECTIVES))
    return f"{_ADJECTIVES[adjective]}-{_ANIMALS[chance % len(_ANIMALS)]}-{number}"
