"""A report as one page that can be mailed, a README, and files for other programs."""

from robust.page.page import write_report

__all__ = ["write_report"]
