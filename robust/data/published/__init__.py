"""Published test sets that lie on disk, each in the layout it is published in; and ones made again in such a layout."""

from robust.data.published.layouts import named_folders, published_tests
from robust.data.published.one_test import PublishedTest
from robust.data.published.recreate import recreate

__all__ = ["PublishedTest", "named_folders", "published_tests", "recreate"]
