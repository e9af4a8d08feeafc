"""A comparison of methods: one HTML page that needs no network, tables for the terminal, curves as a picture.

    write_comparison_page(comparison_data(summary, rows), path)
    rich.print(render_comparison(comparison_data(summary)))
    write_curves_svg(comparison_data(summary, rows), path)

Promises: every number is that of comparison.json; a difference whose interval includes zero is not called one;
what was not done is named. No torch.

Not promised: that the best of many methods is the best. Every interval stands alone.
"""

from codealign.report.comparing.data import ComparisonData, comparison_data
from codealign.report.comparing.page import render_comparison_page, write_comparison_page
from codealign.report.comparing.panels import render_curves_svg, write_curves_svg
from codealign.report.comparing.terminal import render_comparison

__all__ = [
    "ComparisonData",
    "comparison_data",
    "render_comparison",
    "render_comparison_page",
    "render_curves_svg",
    "write_comparison_page",
    "write_curves_svg",
]
