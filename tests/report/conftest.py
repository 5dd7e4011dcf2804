from handmade import rows_of, suites_of, write, written

__all__ = ["rows_of", "suites_of", "write", "written"]
