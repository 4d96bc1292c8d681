"""SQL function `mask` in Python. docs/plugin-languages.md says how to build it."""

from calzone_guest import ScalarFunctions, function, plugin  # ScalarFunctions is what the component exports

plugin(author="Calzone", version="1.0.0")


@function("mask(input varchar) -> varchar")
def mask(input, settings):
    """Replaces letters by x or X, or what the setting `letter` says, and digits by n."""
    if "\0" in input:
        raise ValueError("the text has a NUL in it")
    letter = settings.get("letter", "x")
    return "".join("n" if c.isdigit() else letter.upper() if c.isupper() else letter if c.isalpha() else c for c in input)


@function("mask(input varchar, keep integer) -> varchar")
def mask_left(input, keep, settings):
    """Masks all but the last `keep` characters."""
    if keep < 0:
        raise ValueError(f"`keep` must not be negative, it is {keep}")
    hidden = max(len(input) - keep, 0)
    return mask(input[:hidden], settings) + input[hidden:]
