"""Writes Calzone plugins in Python.

A function, whole:

    from calzone_guest import ScalarFunctions, function

    @function("mask(varchar) -> varchar")
    def mask(text):
        "Replaces letters by x."
        return "".join("x" if c.isalpha() else c for c in text)

and a stage:

    from calzone_guest import Stages, stage

    @stage("name_length BIGINT")
    def measure(name):
        "Adds the number of characters of NAME."
        return len(name)

`ScalarFunctions`, `TableFunctions` and `Stages` are what componentize-py exports: import those of your world, even if nothing
else mentions them.

An exception is that row's error. A row with a null in an argument gives null without a call, unless `nulls=True`. A parameter
`settings` gets a dict of settings and one called `random` a `random.Random` (world `uses-random`, GRANT (RANDOM)); they stand
in no signature.

| SQL                                | Python                                                   |
|------------------------------------|----------------------------------------------------------|
| BOOLEAN, INTEGER, BIGINT, DOUBLE   | bool, int, int, float                                    |
| VARCHAR, BYTES, DECIMAL            | str, bytes, decimal.Decimal                              |
| DATE, TIME, TIMESTAMP              | int: days since 1970, milliseconds of the day, since 1970 |
| ARRAY, MAP, STRUCT                 | list, dict, dict by the fields' names                    |
"""

import random as _random
from array import array

from calzone_types import parse_type, read_column, writer_of
from componentize_py_types import Err
from wit_world.imports.types import About, RowError, Setting  # noqa: F401

# A world has some of these. They are imported now, as there are no files at run time.
try:
    from wit_world.exports import scalar_functions as _scalar
except ImportError:
    _scalar = None
try:
    from wit_world.exports import table_functions as _table
except ImportError:
    _table = None
try:
    from wit_world.exports import stages as _stages
except ImportError:
    _stages = None
try:
    from wit_world.imports import random as _seeds
except ImportError:
    _seeds = None

_about = ("", "")
_functions = {}
_table_functions = {}
_declared_stages = {}


def plugin(author="", version=""):
    """Says whose work the plugin is."""
    global _about
    _about = (author, version)


def function(signature, nulls=False, return_type=None):
    """Makes a SQL function. If `signature` ends in `-> computed`, `return_type` is called with a list of (type or None for NULL,
    text of a literal or None) and gives the result's type as text. More functions of one name are overloads."""
    return lambda call: _declare(_functions, signature, call, nulls, return_type)


def table_function(signature, nulls=False, return_type=None):
    """Makes a table function: what it returns, a list or generator, has a row each. The type behind the arrow is that of a row."""
    return lambda call: _declare(_table_functions, signature, call, nulls, return_type)


def stage(columns, name=None, settings=None, nulls=False, rows=False):
    """Makes a stage that sets `columns` ("size VARCHAR" or "a BIGINT, b VARCHAR") and passes all others by. Its function's parameters
    are the columns that it reads, by name. It returns the column's value, or a tuple for several. With `rows=True` it returns,
    or yields, any number of those: a row each. `settings` are {key: (doc, default)}; without default (None) CONFIG must give it."""

    def declare(call):
        kind = parse_type(f"STRUCT<{columns}>")
        _declared_stages[(name or call.__name__).lower()] = _Stage(
            name or call.__name__, kind.fields, settings or {}, nulls, rows, _Call(call)
        )
        return call

    return declare


class _Call:
    """A function, and which of its parameters are columns."""

    def __init__(self, call):
        self.call = call
        names = call.__code__.co_varnames[: call.__code__.co_argcount]
        self.columns = [n for n in names if n not in ("settings", "random")]
        self.settings, self.random = "settings" in names, "random" in names

    def bound(self, settings):
        """The function with its settings, and whether it takes `random` besides."""
        if not self.settings:
            return self.call
        call = self.call
        return lambda *arguments, **more: call(*arguments, settings=settings, **more)


class _Function:
    def __init__(self, signature, call, nulls, return_type):
        self.signature, self.call, self.nulls, self.return_type = signature, _Call(call), nulls, return_type
        self.name, self.doc = signature.split("(")[0].strip(), (call.__doc__ or "").strip()


class _Stage:
    def __init__(self, name, fields, settings, nulls, rows, call):
        self.name, self.fields, self.settings, self.nulls, self.rows, self.call = name, fields, settings, nulls, rows, call
        self.doc = (call.call.__doc__ or "").strip()


def _declare(functions, signature, call, nulls, return_type):
    declared = _Function(signature, call, nulls, return_type)
    functions.setdefault(declared.name.lower(), []).append(declared)
    return call


def _rows(columns, rows, nulls):
    """Arguments of each row, or None for a row that is not called for."""
    if not columns:
        return [()] * rows
    if nulls:
        return zip(*columns)
    return (None if None in row else row for row in zip(*columns)) if any(None in c for c in columns) else zip(*columns)


def _randoms(wanted):
    """Of a row's number, the keyword arguments that it is called with."""
    if not wanted:
        return None
    if _seeds is None:
        raise Err("`random` needs the world uses-random: componentize-py -w scalar-function -w uses-random")
    seeds = memoryview(_seeds.seeds()).cast("Q")
    return lambda row: {"random": _random.Random(seeds[row])}


def _evaluate(call, rows, values, more, errors):
    """Calls for each row; gives (row, result) where there is one."""
    for row, arguments in enumerate(values):
        if arguments is None:
            yield row, None
            continue
        try:
            result = call(*arguments, **more(row)) if more else call(*arguments)
        except Exception as e:
            errors.append(RowError(row, _text_of(e)))
            yield row, None
            continue
        yield row, result


def _text_of(error):
    return str(error) or type(error).__name__


class _Bound:
    """What this instance of the component is: a function or stage with its types and settings."""

    def __init__(self, call, nulls, settings):
        self.call = call.bound({s.key: s.value for s in settings})
        self.nulls, self.random = nulls, call.random


class _Functions:
    """What the interfaces of scalar and table functions share. componentize-py makes a new object for each call: what is kept is
    kept in the class."""

    functions, module, is_table = {}, None, False
    bound = None

    def describe(self):
        wit = self.module
        described = []
        for overloads in self.functions.values():
            signatures = [wit.Signature(f.signature, f.doc) for f in overloads]
            described.append(wit.Function(overloads[0].name, overloads[0].doc, signatures))
        return wit.Description(About(*_about), described)

    def return_type(self, function, signature, arguments):
        compute = self.functions[function.lower()][signature].return_type
        if compute is None:
            raise Err(f"{function}: the result type is not computed, but the signature says so")
        try:
            return compute([(a.type, a.literal) for a in arguments])
        except Exception as e:
            raise Err(_text_of(e))

    def bind(self, function, signature, arguments, returns, settings):
        declared = self.functions[function.lower()][signature]
        bound = _Bound(declared.call, declared.nulls, settings)
        bound.types = [parse_type(a) for a in arguments]
        bound.returns = parse_type(f"ARRAY<{returns}>" if self.is_table else returns)
        type(self).bound = bound

    def call(self, rows, arguments):
        columns, bound = iter(arguments), self.bound
        values = _rows([read_column(t, columns) for t in bound.types], rows, bound.nulls)
        errors, writer = [], writer_of(bound.returns)
        call = bound.call if not self.is_table else lambda *a, **more: list(bound.call(*a, **more))
        for row, result in _evaluate(call, rows, values, _randoms(bound.random), errors):
            try:
                writer.append(result)
            except Exception as e:
                errors.append(RowError(row, _text_of(e)))
                writer.append(None)
        return self.module.Answer(writer.columns(), errors)


class ScalarFunctions(_Functions):
    functions, module = _functions, _scalar


class TableFunctions(_Functions):
    functions, module, is_table = _table_functions, _table, True


class Stages:
    bound = None

    def describe(self):
        described = []
        for s in _declared_stages.values():
            settings = [_stages.SettingDescription(key, doc, default) for key, (doc, default) in s.settings.items()]
            described.append(_stages.Stage(s.name, s.doc, settings))
        return _stages.Description(About(*_about), described)

    def open(self, stage, settings, input):
        declared = _declared_stages[stage.lower()]
        bound = _Bound(declared.call, declared.nulls, settings)
        bound.fields, bound.rows = declared.fields, declared.rows
        reads, bound.types = [], []
        for wanted in declared.call.columns:
            found = [i for i, column in enumerate(input) if column.name.lower() == wanted.lower()]
            if not found:
                names = ", ".join(column.name for column in input)
                raise Err(f"the source has no column `{wanted}`; it has {names}")
            reads.append(found[0])
            bound.types.append(parse_type(input[found[0]].type))
        outputs, made = [], {}
        for name, kind in declared.fields:
            made[name.upper()] = _stages.ColumnSource_Computed(str(kind))
        for i, column in enumerate(input):
            source = made.pop(column.name.upper(), None)
            outputs.append(_stages.OutputColumn(column.name, column.key, source or _stages.ColumnSource_Input(i)))
        order = [c.name.upper() for c in outputs if not isinstance(c.source, _stages.ColumnSource_Input)]
        for name, source in made.items():
            outputs.append(_stages.OutputColumn(name, False, source))
            order.append(name)
        names = [name.upper() for name, _ in declared.fields]
        # Values come in the order of the declaration, columns go out in the order of the sink.
        bound.order = [names.index(name) for name in order]
        type(self).bound = bound
        return _stages.Plan(reads, False, False, [_stages.Output("", outputs)])

    def process(self, batch):
        columns, bound = iter(batch.columns), self.bound
        values = _rows([read_column(t, columns) for t in bound.types], batch.rows, bound.nulls)
        fields, sources, errors = bound.fields, array("I"), []
        writers = [writer_of(kind) for _, kind in fields]
        call = bound.call if not bound.rows else lambda *a, **more: list(bound.call(*a, **more))
        for row, result in _evaluate(call, batch.rows, values, _randoms(bound.random), errors):
            if errors and errors[-1].row == row:
                continue
            results = (result or []) if bound.rows else [result]
            marks = [writer.mark() for writer in writers]
            try:
                for values_of_row in results:
                    made = values_of_row if len(fields) > 1 else (values_of_row,)
                    if made is None:
                        made = (None,) * len(fields)
                    if len(made) != len(fields):
                        raise ValueError(f"{len(made)} values for {len(fields)} columns")
                    for writer, value in zip(writers, made):
                        writer.append(value)
            except Exception as e:
                errors.append(RowError(row, _text_of(e)))
                for writer, mark in zip(writers, marks):
                    writer.rollback(mark)
                continue
            sources.extend([row] * len(results))
        made = [column for i in bound.order for column in writers[i].columns()]
        return _stages.Answer([_stages.Rows(sources.tobytes(), made, None, None)], errors)
