"""What every picture must keep to, checked on the figure that is drawn: nothing cut, axes to read."""

import re

import numpy as np

from halfstep.colours import COLOURS


def assert_whole(figure, svg):
    """Check that marks, bars, texts and ticks of a figure are in sight, and colours can change."""
    canvas = figure.canvas
    for axes in figure.axes:
        if not axes.axison:
            continue
        for line in axes.lines:
            if line.get_transform() == axes.transData and line.get_clip_on():
                assert_inside(axes, np.column_stack(line.get_data()).astype(float))
        for bars in axes.collections:
            for segment in getattr(bars, "get_segments", list)():
                assert_inside(axes, np.asarray(segment, float))
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                low, high = sorted(axis.get_view_interval())
                shown = [
                    label.get_text()
                    for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
                    if low <= place <= high
                ]
                assert len(set(filter(None, shown))) >= 2, shown
    box = figure.get_tightbbox(canvas.get_renderer())
    _, _, width, height = map(float, re.search(r'viewBox="([^"]+)"', svg)[1].split())
    assert width >= 72 * (box.x1 - min(0, box.x0)) - 1e-6
    assert height >= 72 * (box.y1 - min(0, box.y0)) - 1e-6
    light = {pair[0] for pair in COLOURS.values()}
    used = re.findall(r"\b(?:fill|stroke): (#\w{6})\b(?!\))", svg.split("</style>", 1)[1])
    assert used
    assert {colour for colour in used if colour.lower() not in light} == set()


def assert_inside(axes, points):
    """Check that points (n, 2) in an axes' coordinates lie in it; a log axis has no place for 0."""
    for column, axis in enumerate((axes.xaxis, axes.yaxis)):
        values = points[np.isfinite(points[:, column]), column]
        if axis.get_scale() == "log":
            values = values[values > 0]
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        assert values.size == 0 or (low - slack <= values.min() and values.max() <= high + slack)
