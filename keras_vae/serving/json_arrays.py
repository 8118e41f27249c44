"""The arrays of a JSON body. It is run as a script too, in a process of its own.

A parser holds up all threads of its process, and needs much memory, some of it for good. So the
server has a large body parsed by `python json_arrays.py MEMORY NAME...`, which reads the body
from its input, and writes a line that says what follows, then the bytes of the arrays.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

TINY, SMALL = 2**16, 2**20  # bytes that are parsed in some 2 and 30 milliseconds
ONE = threading.Lock()  # of those between, as parsers together would hold up all others
PROCESSES = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))
SECONDS = 60.0  # that a process may take
GROWTH = 32  # times the largest body, which a parser may take: a list of one number takes 96 bytes


class JSONError(Exception):
    """What is wrong with a body, and the status that says so."""

    def __init__(self, status: int, message: str):
        super().__init__(status, message)
        self.status, self.message = status, message


def weight(part: bytes) -> int:
    """Returns how many values and lists a part of a body makes at most, two for each number."""
    return part.count(b",") + part.count(b"[") + part.count(b"{")


def read(body: bytearray, names: list[str], max_bytes: int) -> dict[str, np.ndarray]:
    """Does what `parse` does, where that holds up nobody."""
    if len(body) <= TINY:
        return parse(body, names)
    if len(body) <= SMALL:
        with ONE:
            return parse(body, names)
    with PROCESSES:
        return parse_apart(body, names, GROWTH * max_bytes)


def parse(body: bytes | bytearray, names: list[str]) -> dict[str, np.ndarray]:
    """Gives the named arrays of a JSON object, of any dtype, objects included.

    Raises:
        JSONError: if it is no JSON, lacks a name, or has lists of different lengths.
    """
    example = "{" + ", ".join(f'"{name}": [...]' for name in names) + "}"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise JSONError(400, f"The body is not JSON: {error}. Send {example}.") from None
    found = {}
    for name in names:
        if not isinstance(document, dict) or name not in document:
            raise JSONError(422, f'Send a JSON object with the key "{name}": {example}.')
        try:
            found[name] = np.asarray(document.pop(name))
        except ValueError:
            raise JSONError(422, f"{name} is ragged: lists differ in length or depth.") from None
    return found


def parse_apart(body: bytearray, names: list[str], memory: int) -> dict[str, np.ndarray]:
    """Does what `parse` does in a process of its own, which may take so many bytes of memory.

    Of an array that holds no numbers it gives the dtype and the shape alone.
    """
    command = [sys.executable, __file__, str(memory), *names]
    fix = "Send fewer samples, or a .npy or .npz file, which is smaller and far quicker."
    try:
        done = subprocess.run(command, input=body, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise JSONError(413, f"The JSON takes over {SECONDS:g} seconds to read. {fix}") from None
    if done.returncode < 0 or b"MemoryError" in done.stderr:
        raise JSONError(413, f"The JSON takes too much memory to read. {fix}")
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    start = done.stdout.index(b"\n") + 1
    told = json.loads(done.stdout[:start])
    if "error" in told:
        raise JSONError(told["status"], told["error"])
    found = {}
    for name, dtype, shape, size in told["arrays"]:
        if size:
            flat = np.frombuffer(done.stdout, dtype, math.prod(shape), start)
            found[name] = flat.reshape(shape)
        else:
            found[name] = np.broadcast_to(np.empty((), dtype), shape)
        start += size
    return found


def main(memory: int, names: list[str]) -> None:
    """Answers `parse_apart`."""
    bound_memory(memory)
    try:
        found = parse(sys.stdin.buffer.read(), names)
    except JSONError as error:
        print(json.dumps({"status": error.status, "error": error.message}))
        return
    sizes = {k: a.nbytes if a.dtype.kind in "biuf" else 0 for k, a in found.items()}
    told = [(k, a.dtype.str, a.shape, sizes[k]) for k, a in found.items()]
    print(json.dumps({"arrays": told}), flush=True)
    for name, array in found.items():
        if sizes[name]:
            sys.stdout.buffer.write(array.data)


def bound_memory(more: int) -> None:
    """Lets the process take so many bytes more than it has, where the system can see to it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
