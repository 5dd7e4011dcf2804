"""A report as one page that can be mailed, a README, and files for other programs."""

from robust.page.brief import brief
from robust.page.page import write_report

__all__ = ["brief", "write_report"]
