"""SQL types, and columns as they cross: Arrow's buffers ⇄ Python's values. For calzone_guest."""

import re
from array import array
from decimal import ROUND_HALF_UP, Context, Decimal

from wit_world.imports.types import Column

_TOKEN = re.compile(r"\s*(`(?:[^`]|``)*`|[A-Za-z_][A-Za-z0-9_]*|\d+|[<>(),])")
# Type: code of array.array.
_FIXED = {"INTEGER": "i", "DATE": "i", "TIME": "i", "BIGINT": "q", "TIMESTAMP": "q", "DOUBLE": "d"}
_ALIASES = {"INT": "INTEGER", "VARCHAR": "STRING"}
# More digits than any DECIMAL has.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
_DAY_MS = 86_400_000


class Type:
    """`name` is BIGINT, ARRAY, …; `children` are types, `fields` of a STRUCT (name, type)."""

    def __init__(self, name, children=(), fields=(), precision=0, scale=0):
        self.name, self.children, self.fields, self.precision, self.scale = name, children, fields, precision, scale

    def __str__(self):
        if self.name == "STRUCT":
            quoted = ("`" + name.replace("`", "``") + "` " + str(kind) for name, kind in self.fields)
            return f"STRUCT<{', '.join(quoted)}>"
        if self.name == "DECIMAL":
            return f"DECIMAL({self.precision}, {self.scale})"
        return self.name + (f"<{', '.join(map(str, self.children))}>" if self.children else "")


def parse_type(text):
    """Reads a type as the server writes it: ARRAY<STRUCT<`A` INTEGER>>."""
    tokens, position = [], 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if not found:
            raise ValueError(f"`{text}` is no SQL type, from `{text[position:]}`")
        tokens.append(found.group(1))
        position = found.end()
    kind = _parse(tokens)
    if tokens:
        raise ValueError(f"`{text}` is no SQL type: `{' '.join(tokens)}` is left over")
    return kind


def _expect(tokens, token):
    if not tokens or tokens.pop(0) != token:
        raise ValueError(f"`{token}` is missing in a SQL type")


def _parse(tokens):
    if not tokens:
        raise ValueError("a SQL type is missing")
    name = tokens.pop(0).upper()
    name = _ALIASES.get(name, name)
    if name == "DECIMAL":
        _expect(tokens, "(")
        precision = int(tokens.pop(0))
        _expect(tokens, ",")
        scale = int(tokens.pop(0))
        _expect(tokens, ")")
        return Type(name, precision=precision, scale=scale)
    if name not in ("ARRAY", "MAP", "STRUCT"):
        if name not in _FIXED and name not in ("BOOLEAN", "STRING", "BYTES"):
            raise ValueError(f"there is no SQL type {name}")
        return Type(name)
    _expect(tokens, "<")
    parts = []
    while tokens and tokens[0] != ">":
        if parts:
            _expect(tokens, ",")
        if name == "STRUCT":
            field = tokens.pop(0)
            field = field[1:-1].replace("``", "`") if field.startswith("`") else field.upper()
            parts.append((field, _parse(tokens)))
        else:
            parts.append(_parse(tokens))
    _expect(tokens, ">")
    if name == "STRUCT":
        return Type(name, fields=tuple(parts))
    return Type(name, children=tuple(parts))


def _bits(bitmap, length):
    return [bitmap[i >> 3] >> (i & 7) & 1 for i in range(length)]


def read_column(kind, columns):
    """The values of the next of `columns` (an iterator in preorder), None where null."""
    column = next(columns)
    values = _read(kind, column, columns)
    if column.validity is not None:
        values = [v if there else None for v, there in zip(values, _bits(column.validity, column.length))]
    return values


def _read(kind, column, columns):
    name, length = kind.name, column.length
    if name in _FIXED:
        return memoryview(column.data).cast(_FIXED[name]).tolist()
    if name == "STRUCT":
        fields = [read_column(child, columns) for _, child in kind.fields]
        names = [field for field, _ in kind.fields]
        return [dict(zip(names, row)) for row in zip(*fields)] if fields else [{} for _ in range(length)]
    if name == "BOOLEAN":
        return [bit == 1 for bit in _bits(column.data, length)]
    if name == "DECIMAL":
        data = column.data
        unscaled = (int.from_bytes(data[i : i + 16], "little", signed=True) for i in range(0, length * 16, 16))
        return [_EXACT.create_decimal(n).scaleb(-kind.scale, _EXACT) for n in unscaled]
    ends = memoryview(column.offsets).cast("I").tolist()
    ranges = zip(ends, ends[1:])
    if name == "STRING":
        data = column.data
        return [data[a:b].decode() for a, b in ranges]
    if name == "BYTES":
        data = column.data
        return [data[a:b] for a, b in ranges]
    if name == "ARRAY":
        elements = read_column(kind.children[0], columns)
        return [elements[a:b] for a, b in ranges]
    keys = read_column(kind.children[0], columns)
    values = read_column(kind.children[1], columns)
    return [dict(zip(keys[a:b], values[a:b])) for a, b in ranges]


def writer_of(kind):
    """A column being written: `append` raises on a value that is not of the type, and has changed nothing then."""
    return {"STRUCT": _StructWriter, "ARRAY": _ArrayWriter, "MAP": _MapWriter}.get(kind.name, _ScalarWriter)(kind)


class _Writer:
    """`valid` says which values are there."""

    def __init__(self, kind):
        self.kind, self.valid = kind, []

    def _validity(self):
        return None if all(self.valid) else _bitmap(self.valid)

    def append(self, value):
        mark = self.mark()
        try:
            self._append(value)
        except Exception:
            self.rollback(mark)
            raise
        self.valid.append(value is not None)

    def mark(self):
        return len(self.valid)


def _bitmap(flags):
    out = bytearray((len(flags) + 7) // 8)
    for i, flag in enumerate(flags):
        if flag:
            out[i >> 3] |= 1 << (i & 7)
    return bytes(out)


def _wrong(kind, value):
    return TypeError(f"{value!r:.100} is no {kind}")


def _checked(kind):
    """Gives of a value what is stored, or raises."""
    name = kind.name
    if name in ("INTEGER", "DATE", "BIGINT", "TIMESTAMP", "TIME"):
        bits = 31 if _FIXED[name] == "i" else 63
        low, high = (0, _DAY_MS) if name == "TIME" else (-(1 << bits), 1 << bits)

        def check(value):
            if type(value) is not int or not low <= value < high:
                raise _wrong(kind, value)
            return value

    elif name == "DOUBLE":

        def check(value):
            if type(value) is not float and type(value) is not int:
                raise _wrong(kind, value)
            return float(value)

    elif name == "STRING":

        def check(value):
            if not isinstance(value, str):
                raise _wrong(kind, value)
            return value.encode()

    elif name == "BYTES":

        def check(value):
            if not isinstance(value, (bytes, bytearray, memoryview)):
                raise _wrong(kind, value)
            return bytes(value)

    elif name == "BOOLEAN":

        def check(value):
            if type(value) is not bool:
                raise _wrong(kind, value)
            return value

    else:
        step, limit = Decimal(1).scaleb(-kind.scale, _EXACT), 10**kind.precision

        def check(value):
            if not isinstance(value, (Decimal, int)) or isinstance(value, bool):
                raise _wrong(kind, value)
            unscaled = int(Decimal(value).quantize(step, context=_EXACT).scaleb(kind.scale, _EXACT))
            if not -limit < unscaled < limit:
                raise ValueError(f"{value} does not fit {kind}")
            return unscaled

    return check


class _ScalarWriter(_Writer):
    def __init__(self, kind):
        super().__init__(kind)
        self.values, self.check = [], _checked(kind)
        self.null = b"" if kind.name in ("STRING", "BYTES") else 0

    def append(self, value):
        self.values.append(self.null if value is None else self.check(value))
        self.valid.append(value is not None)

    def rollback(self, mark):
        del self.values[mark:], self.valid[mark:]

    def columns(self):
        name, values, offsets = self.kind.name, self.values, None
        if name in _FIXED:
            data = array(_FIXED[name], values).tobytes()
        elif name == "BOOLEAN":
            data = _bitmap(values)
        elif name == "DECIMAL":
            data = b"".join(n.to_bytes(16, "little", signed=True) for n in values)
        else:
            data, offsets = b"".join(values), _offsets(map(len, values))
        return [Column(len(values), self._validity(), offsets, data)]


def _offsets(lengths):
    ends, end = array("I", [0]), 0
    for length in lengths:
        end += length
        ends.append(end)
    return ends.tobytes()


class _ArrayWriter(_Writer):
    def __init__(self, kind):
        super().__init__(kind)
        self.lengths, self.elements = [], writer_of(kind.children[0])

    def _append(self, value):
        value = [] if value is None else value
        if not isinstance(value, (list, tuple)):
            raise _wrong(self.kind, value)
        for element in value:
            self.elements.append(element)
        self.lengths.append(len(value))

    def mark(self):
        return len(self.lengths), self.elements.mark()

    def rollback(self, mark):
        del self.lengths[mark[0] :], self.valid[mark[0] :]
        self.elements.rollback(mark[1])

    def columns(self):
        return [Column(len(self.lengths), self._validity(), _offsets(self.lengths), None), *self.elements.columns()]


class _MapWriter(_Writer):
    def __init__(self, kind):
        super().__init__(kind)
        self.lengths, self.keys, self.values = [], writer_of(kind.children[0]), writer_of(kind.children[1])

    def _append(self, value):
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise _wrong(self.kind, value)
        for key, entry in value.items():
            if key is None:
                raise ValueError("a MAP has no null key")
            self.keys.append(key)
            self.values.append(entry)
        self.lengths.append(len(value))

    def mark(self):
        return len(self.lengths), self.keys.mark(), self.values.mark()

    def rollback(self, mark):
        del self.lengths[mark[0] :], self.valid[mark[0] :]
        self.keys.rollback(mark[1])
        self.values.rollback(mark[2])

    def columns(self):
        own = Column(len(self.lengths), self._validity(), _offsets(self.lengths), None)
        return [own, *self.keys.columns(), *self.values.columns()]


class _StructWriter(_Writer):
    def __init__(self, kind):
        super().__init__(kind)
        self.fields = [(name, writer_of(child)) for name, child in kind.fields]

    def _append(self, value):
        if value is None:
            value = {}
        elif not isinstance(value, dict) or any(all(key != name for name, _ in self.fields) for key in value):
            raise _wrong(self.kind, value)
        for name, writer in self.fields:
            writer.append(value.get(name))

    def mark(self):
        return len(self.valid), [writer.mark() for _, writer in self.fields]

    def rollback(self, mark):
        del self.valid[mark[0] :]
        for (_, writer), own in zip(self.fields, mark[1]):
            writer.rollback(own)

    def columns(self):
        own = Column(len(self.valid), self._validity(), None, None)
        return [own, *(column for _, writer in self.fields for column in writer.columns())]
