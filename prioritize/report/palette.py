"""One palette for maps, styles and charts: Okabe & Ito's colours, which most colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

from prioritize.landscape import Zone

# OECMs are blue and not orange, because the darkened orange of an existing one would look like a darkened vermilion.
KINDS = {"protected": "#009E73", "oecm": "#0072B2", "redline": "#D55E00"}
SPARE = ("#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#F0E442")

LAND = "#EAE6DD"
SEA = "#DDE9F2"
OUTSIDE = "#FFFFFF"
COAST = "#8A8578"
BORDER = "#B3ADA0"
INK = "#222222"
FADED_INK = "#6B6B6B"


def zone_colours(zones: Sequence[Zone]) -> list[str]:
    """One colour for each zone: that of its kind, or the next spare one where the kind is new or comes again.

    Parameters
    ----------
    zones : sequence of Zone

    Returns
    -------
    list of str
        `#RRGGBB`, in the order of the zones; no two are the same.
    """
    left = [*SPARE, *(colour for kind, colour in KINDS.items() if all(zone.kind != kind for zone in zones))]
    firsts = {zone.kind: index for index, zone in reversed(list(enumerate(zones)))}
    colours = []
    for index, zone in enumerate(zones):
        if zone.kind in KINDS and firsts[zone.kind] == index:
            colours.append(KINDS[zone.kind])
            continue
        if not left:  # more zones than colours: start again, paler each time
            left = [blend(colour, "#FFFFFF", 0.4) for colour in colours]
        colours.append(left.pop(0))
    return colours


def darker(colour: str) -> str:
    """The tone of a zone's colour in which units stand that were in the zone already."""
    return blend(colour, "#10131A", 0.5)


def blend(colour: str, other: str, share: float) -> str:
    """Mix two `#RRGGBB` colours; `share` is that of the other one."""
    mixed = (round(a + (b - a) * share) for a, b in zip(rgb(colour), rgb(other), strict=True))
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def rgb(colour: str) -> tuple[int, int, int]:
    """`#RRGGBB` as three numbers of 0..255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
