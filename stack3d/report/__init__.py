"""Figures and pages from datasets: declared once in `chart`, drawn as SVG for pages and by matplotlib for papers."""

from stack3d.report.cases import FIGURES, case_page, chart, possible, report_page, study_page
from stack3d.report.study_table import study_lines

__all__ = ["FIGURES", "case_page", "chart", "possible", "report_page", "study_lines", "study_page"]
