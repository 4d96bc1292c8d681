"""SQL function `mask(varchar) -> varchar` in Python.

Build it, in this folder, with componentize-py from PyPI:

    componentize-py -d ../../../wit/v1 -w scalar-function componentize -s mask -o mask.wasm

and upload mask.wasm. (`-s` leaves out the imports of WASI, which have nothing behind them here.)
"""

from array import array

from wit_world import exports
from wit_world.exports.scalar_functions import Answer, Description, Function, Signature
from wit_world.imports.types import About, Column, RowError


def mask(text: str) -> str:
    """Replaces letters by x or X and digits by n."""
    if "\0" in text:
        raise ValueError("the text has a NUL in it")
    return "".join("n" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in text)


class ScalarFunctions(exports.ScalarFunctions):
    def describe(self):
        signature = Signature("mask(varchar) -> varchar", "")
        return Description(About("Calzone", "0.1.0"), [Function("mask", mask.__doc__, [signature])])

    def return_type(self, function, signature, arguments):
        raise NotImplementedError

    def bind(self, function, signature, arguments, returns, settings):
        pass

    def call(self, rows, arguments):
        (column,) = arguments
        valid = column.validity
        ends, data = memoryview(column.offsets).cast("I"), column.data
        out, offsets, errors, end = [], array("I", [0]), [], 0
        for row in range(rows):
            if valid is None or valid[row >> 3] >> (row & 7) & 1:
                try:
                    masked = mask(data[ends[row] : ends[row + 1]].decode()).encode()
                    out.append(masked)
                    end += len(masked)
                except Exception as e:
                    errors.append(RowError(row, str(e)))
            offsets.append(end)
        return Answer([Column(rows, valid, offsets.tobytes(), b"".join(out))], errors)
