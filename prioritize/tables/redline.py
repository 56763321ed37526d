"""The redline: what the line drawn by rule and the plan hold of each category and criterion."""

from __future__ import annotations

from prioritize.place import Grid
from prioritize.table import Judged, Table


def redline(judged: Judged) -> list[Table]:
    """`redline_composition`, `redline_by_criterion` and, with `split`, `redline_borders`, where there is a `[redline]`.

    The line is drawn anew from the scenario's layers. The optimised line is all that the plan holds of the study area,
    whatever its zone: zones are levels of protection, and each is a line of its own beside it.
    """
    from prioritize.redline.composition import borders_of, by_category, by_criterion
    from prioritize.redline.ruled import ruled_units

    config, landscape = judged.scenario.redline, judged.problem.landscape
    if config is None or not isinstance(landscape.place, Grid):
        return []
    ruled = ruled_units(judged.scenario, landscape)
    lines = {"rule": ruled.inside, "optimised": judged.selection.any(axis=1) & ruled.study}
    if len(landscape.zones) > 1:
        for number, zone in enumerate(landscape.zones):
            lines[f"optimised, zone {zone.name}"] = judged.selection[:, number] & ruled.study
    made = [by_category(lines, ruled, config, landscape), by_criterion(lines, ruled, landscape)]
    if config.split is not None and config.split in landscape.groups:
        made.append(borders_of(lines, landscape, config.split))
    return made


MEMBER = redline
