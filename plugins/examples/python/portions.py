"""Stage `portions` in Python: 0, 1 or 2 rows for each row."""

from calzone_guest import Stages, plugin, stage  # Stages is what the component exports

plugin(author="Calzone", version="1.0.0")


@stage("portion VARCHAR, grams BIGINT", rows=True, settings={"large_from": ("Grams from which a pizza is large.", "500")})
def portions(grams, settings):
    """Sets PORTION and GRAMS: small or large; leaves out what has no weight, and cuts in two what is above 1 kg."""
    if grams < 0:
        raise ValueError(f"a pizza of {grams} g")
    parts = [grams] if grams <= 1_000 else [grams // 2, grams - grams // 2]
    return [("large" if part >= int(settings["large_from"]) else "small", part) for part in parts if part > 0]
