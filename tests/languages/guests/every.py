"""Values of every type there and back, wrong ones, and an exception that leaves the guest."""

from calzone_guest import ScalarFunctions, function


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
