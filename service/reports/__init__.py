"""Reports: one page and one JSON document per evaluation, drawn from plain view data."""

from service.reports.rendering import render_report, report_json
from service.reports.views import ReportImage, ReportScenario, ReportView, build_view

__all__ = ["ReportImage", "ReportScenario", "ReportView", "build_view", "render_report", "report_json"]
