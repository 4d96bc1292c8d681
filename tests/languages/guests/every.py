"""Values of every type there and back, wrong ones, rows of a table function, and an exception that leaves the guest."""

from calzone_guest import ScalarFunctions, TableFunctions, function, table_function


@function("same(any) -> computed", return_type=lambda arguments: arguments[0][0])
def same(value):
    """Its argument."""
    return value


@function("wrong(any) -> computed", return_type=lambda arguments: arguments[0][0])
def wrong(value):
    """A value of another type."""
    return object()


@function("or_null(varchar) -> varchar", nulls=True)
def or_null(text):
    """`null` for null, null for `null`."""
    return "null" if text is None else None if text == "null" else text


@function("crash(varchar) -> varchar")
def crash(text):
    """Ends the guest on `crash`."""
    if text == "crash":
        raise SystemExit("no more")
    print("this goes nowhere")
    return text


@table_function("letters(varchar) -> varchar")
def letters(text):
    """A row for each character."""
    if text == "no":
        raise ValueError("no letters")
    yield from text
