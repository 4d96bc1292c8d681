"""A table function."""

from calzone_guest import TableFunctions, table_function


@table_function("letters(varchar) -> varchar")
def letters(text):
    """A row for each character."""
    if text == "no":
        raise ValueError("no letters")
    yield from text
