"""Invented artist names that contain the genre, so that a list of neighbours can be judged by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GENRE_WORDS = (
    *("acid", "ambient", "baroque", "bebop", "bluegrass", "blues", "bossa", "cabaret"),
    *("calypso", "chanson", "choral", "club", "country", "cumbia", "dancehall", "disco"),
    *("doom", "drone", "dub", "electro", "fado", "flamenco", "folk", "funk"),
    *("gamelan", "garage", "gospel", "grime", "grunge", "house", "jazz", "klezmer"),
    *("metal", "opera", "polka", "pop", "punk", "ragtime", "reggae", "rock"),
    *("salsa", "ska", "soul", "swing", "tango", "techno", "trance", "zydeco"),
)
ADJECTIVES = (
    *("Amber", "Bold", "Brass", "Broken", "Copper", "Crimson", "Distant", "Dusty"),
    *("Electric", "Endless", "Faded", "Gentle", "Gilded", "Hidden", "Hollow", "Idle"),
    *("Indigo", "Ivory", "Jaded", "Lonely", "Lucky", "Lunar", "Mellow", "Midnight"),
    *("Northern", "Paper", "Patient", "Plastic", "Quiet", "Restless", "Rusty", "Scarlet"),
    *("Secret", "Silent", "Silver", "Sleepy", "Solar", "Velvet", "Wandering", "Winter"),
)
NOUNS = (
    *("Anchors", "Arrows", "Atlas", "Beacons", "Bells", "Bridges", "Candles", "Cartographers"),
    *("Clouds", "Comets", "Corners", "Drifters", "Echoes", "Engines", "Falcons", "Ferries"),
    *("Foxes", "Gardens", "Harbours", "Herons", "Islands", "Lanterns", "Letters", "Magpies"),
    *("Mirrors", "Monarchs", "Orchards", "Owls", "Parades", "Pilots", "Postcards", "Radios"),
    *("Rivers", "Satellites", "Shadows", "Sparrows", "Stations", "Tides", "Trains", "Wolves"),
)


def artist_names(genre: NDArray[np.uint8]) -> NDArray[Any]:
    """Name each item by its index and genre, as in "Velvet Foxes 12 (dub)"; all names differ.

    Parameters
    ----------
    genre : ndarray
        Index into `GENRE_WORDS`, shape (items,).

    Returns
    -------
    ndarray
        Object array of str, shape (items,).
    """
    stems = [f"{adjective} {noun}" for noun in NOUNS for adjective in ADJECTIVES]
    # 617 shares no factor with the number of stems, 1,600, so neighbouring indices get unlike names.
    names = [
        f"{stems[index * 617 % 1600]}{f' {index // 1600 + 1}' if index >= 1600 else ''} ({word})"
        for index, word in enumerate(np.array(GENRE_WORDS, dtype=object)[genre].tolist())
    ]
    result = np.empty(len(names), dtype=object)
    result[:] = names
    return result
