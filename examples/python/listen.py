"""Finds the speech in a WAV file with a model that softmodel has built; needs nothing but Python.

    softmodel build silero-vad-v5 -o vad
    python3 listen.py vad morning.wav
"""
import array
import ctypes
import json
import pathlib
import sys
import wave

RATE, WINDOW, CONTEXT = 16000, 512, 64
FLOAT32 = 1


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_int32), ("rank", ctypes.c_int32), ("size", ctypes.c_int64 * 8)]

    @staticmethod
    def of(values, *shape):
        return Tensor(ctypes.cast(values, ctypes.c_void_p), FLOAT32, len(shape), (ctypes.c_int64 * 8)(*shape))


class Model:
    """A model in a folder that softmodel has built: MODEL.json says how its functions are called."""

    def __init__(self, folder):
        folder = pathlib.Path(folder).resolve()
        self.about = json.loads((folder / "MODEL.json").read_text())
        self.library = ctypes.CDLL(str(folder / self.about["library"]))
        self.function("last_error").restype = ctypes.c_char_p
        self.handle = ctypes.c_void_p()
        self.call("create", None, ctypes.byref(self.handle))

    def function(self, name):
        return getattr(self.library, f"{self.about['prefix']}_{name}")

    def call(self, name, *arguments):
        if self.function(name)(*arguments) != 0:
            sys.exit(self.function("last_error")().decode())

    def run(self, *inputs):
        self.call("run", self.handle, (Tensor * len(inputs))(*inputs), len(inputs))

    def output(self, index):
        tensor = Tensor()
        self.call("result", self.handle, index, ctypes.byref(tensor))
        return ctypes.cast(tensor.data, ctypes.POINTER(ctypes.c_float))

    def close(self):
        self.call("destroy", self.handle)


def read(path):
    """One channel of 16-bit samples, such as softmodel writes, as numbers from -1 to 1 at RATE."""
    with wave.open(path) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"{path}: it is no WAV file of one channel and 16 bits")
        rate, samples = file.getframerate(), array.array("h", file.readframes(file.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    sound = []
    for i in range(len(samples) * RATE // rate):
        position = i * rate / RATE
        left = int(position)
        right = min(left + 1, len(samples) - 1)
        sound.append((samples[left] + (samples[right] - samples[left]) * (position - left)) / 32768)
    return sound


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: listen.py FOLDER FILE.wav")
    detector, sound = Model(sys.argv[1]), read(sys.argv[2])
    given, state = (ctypes.c_float * (CONTEXT + WINDOW))(), (ctypes.c_float * 256)()
    inputs = Tensor.of(given, 1, CONTEXT + WINDOW), Tensor.of(state, 2, 1, 128)
    began = None
    for at in range(0, len(sound), WINDOW):
        # What was heard last stands in front of what is new.
        fresh = sound[at : at + WINDOW]
        given[:] = given[WINDOW:] + fresh + [0.0] * (WINDOW - len(fresh))
        detector.run(*inputs)
        ctypes.memmove(state, detector.output(1), ctypes.sizeof(state))
        is_speech = detector.output(0)[0] > 0.5
        if is_speech and began is None:
            began = at / RATE
        if not is_speech or at + WINDOW >= len(sound):
            if began is not None:
                print(f"speech from {began:.2f} s to {at / RATE:.2f} s")
            began = None
    detector.close()


main()
