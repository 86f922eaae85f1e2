"""Runs %NAME% once and writes each output to a file; needs nothing but Python.

    python3 sample.py %USAGE%

SYMBOL=SIZE gives a size that may differ from run to run (4 unless given), INPUT=FILE the raw elements of an input (zeros
unless given). Each output goes to OUTPUT.raw; its shape is printed. threads=N and seed=N are understood too. Where a
size and an input have the same name, size:SYMBOL=SIZE and input:INPUT=FILE say which is meant.
"""
import ctypes
import math
import pathlib
import sys

OUTPUT_FILES = [%OUTPUT_LIST%]
ELEMENT_SIZE = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_int32), ("rank", ctypes.c_int32), ("size", ctypes.c_int64 * 8)]

    @property
    def shape(self):
        return list(self.size[: self.rank])

    @property
    def bytes(self):
        return ELEMENT_SIZE[self.type] * math.prod(self.shape)


class Info(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int32), ("rank", ctypes.c_int32), ("size", ctypes.c_int64 * 8), ("axis", ctypes.c_char_p * 8)]


library = ctypes.CDLL(str(pathlib.Path(__file__).resolve().parent / "%LIBRARY%"))
library.%PREFIX%_last_error.restype = ctypes.c_char_p


def call(name, *arguments):
    if getattr(library, "%PREFIX%_" + name)(*arguments) != 0:
        sys.exit(library.%PREFIX%_last_error().decode())


def described(name):
    for index in range(getattr(library, f"%PREFIX%_{name}_count")()):
        info = Info()
        call(name, index, ctypes.byref(info))
        yield info


def given(kind, name, otherwise):
    """The value of an argument: of the one that says its kind, or else of one that has the name alone."""
    for start in (f"{kind}{name}=", f"{name}="):
        for argument in sys.argv[1:]:
            if argument.startswith(start):
                return argument[len(start) :]
    return otherwise


def main():
    if not all("=" in argument for argument in sys.argv[1:]):
        sys.exit(__doc__)
    model = ctypes.c_void_p()
    call("create", None, ctypes.byref(model))
    call("set_threads", model, int(given("", "threads", 1)))
    call("set_seed", model, ctypes.c_uint64(int(given("", "seed", 0))))

    infos = list(described("input"))
    inputs = (Tensor * max(1, len(infos)))()
    kept = []
    for info, tensor in zip(infos, inputs):
        tensor.type, tensor.rank = info.type, info.rank
        for axis in range(info.rank):
            tensor.size[axis] = info.size[axis] if info.size[axis] >= 0 else int(given("size:", info.axis[axis].decode(), 4))
        path = given("input:", info.name.decode(), None)
        data = pathlib.Path(path).read_bytes() if path else bytes(tensor.bytes)
        if len(data) != tensor.bytes:
            sys.exit(f"{path}: it has {len(data)} bytes, and {tensor.bytes} are needed")
        kept.append(ctypes.create_string_buffer(data, max(1, len(data))))
        tensor.data = ctypes.cast(kept[-1], ctypes.c_void_p)

    call("run", model, inputs, len(infos))
    for index, info in enumerate(described("output")):
        output = Tensor()
        call("result", model, index, ctypes.byref(output))
        print(info.name.decode(), "[" + ",".join(map(str, output.shape)) + "]")
        pathlib.Path(OUTPUT_FILES[index]).write_bytes(ctypes.string_at(output.data, output.bytes))
    call("destroy", model)


main()
