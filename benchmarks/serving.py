"""Loads the server: its throughput with and without batching, and /health and memory under attack.

    python benchmarks/serving.py

Throughput: 32 clients, a convolutional model as ONNX files, one image a request; a server that
batches and one that does not (--max-rows 1) in turns, ratios of neighbours.

Under attack: 8 clients send bodies of the largest size, of lists and of numbers, while 300
connections stall in the middle of a request. All traffic stays on the loopback address.
"""

import argparse
import asyncio
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

SERVING = Path(__file__).parents[1] / "keras_vae" / "serving"
HOST, CLIENTS, ROUNDS, SECONDS = "127.0.0.1", 32, 5, 4.0
NPY, JSON = "application/x-npy", "application/json"
EXPORT = """
import sys
import keras, keras_vae as kv

keras.utils.set_random_seed(0)
vae = kv.VAE(
    kv.VariationalEncoder(10, kv.networks.ConvEncoder((32, 64))),
    kv.networks.ConvDecoder((28, 28, 1), (64, 32)),
)
vae.build((None, 28, 28, 1))
vae.export(sys.argv[1], format=sys.argv[2])
"""


@contextmanager
def served(model, *options):
    """Yields the port and the process of a server."""
    command = [sys.executable, SERVING, model, "--port", "0", *options]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        for line in process.stderr:
            if found := re.search(rf"running on http://{HOST}:(\d+)", line):
                break
        else:
            raise RuntimeError("the server ended")
        yield int(found[1]), process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def request(method, route, body=b"", media_type=NPY, accept=f"{NPY}, application/x-npz"):
    head = f"{method} {route} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: {media_type}\r\nAccept: {accept}\r\n\r\n".encode() + body


async def answer(reader):
    """Returns the status of an answer when all of it has come."""
    head = await reader.readuntil(b"\r\n\r\n")
    if size := re.search(rb"(?i)content-length: (\d+)", head):
        await reader.readexactly(int(size[1]))
    else:
        await reader.readuntil(b"\r\n0\r\n\r\n")
    return int(head.split()[1])


async def throughput(port, route, body):
    """Returns how many requests a second the clients get answered."""
    counts, end = [0] * CLIENTS, time.perf_counter() + SECONDS

    async def client(i):
        reader, writer = await asyncio.open_connection(HOST, port, limit=2**20)
        while time.perf_counter() < end:
            writer.write(request("POST", route, body))
            assert await answer(reader) == 200
            counts[i] += 1
        writer.close()

    await asyncio.gather(*map(client, range(CLIENTS)))
    return sum(counts) / SECONDS


def compare(model, route, body):
    """Prints the throughput with and without batching."""
    with served(model) as (together, _), served(model, "--max-rows", "1") as (alone, _):
        pairs = []
        for _ in range(ROUNDS):
            pairs.append([asyncio.run(throughput(p, route, body)) for p in (together, alone)])
    ratios = [a / b for a, b in pairs]
    a, b = map(statistics.median, zip(*pairs, strict=True))
    print(f"{model.name} {route}: {a:.0f} and {b:.0f} requests a second, batched and not;", end=" ")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def memory(process):
    """Returns the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def attack(port, bodies, stalled=300, rounds=2):
    """Returns the seconds that /health took, and the statuses of the large bodies."""
    parts = [b"POST /score HT", request("POST", "/score", bytes(1000))[:-500]]
    stalls = [await asyncio.open_connection(HOST, port) for _ in range(stalled)]
    for i, (_, writer) in enumerate(stalls):
        writer.write(parts[i % 2])
    waits, statuses, done = [], [], False

    async def health():
        while not done:
            start = time.perf_counter()
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(request("GET", "/health"))
            assert await answer(reader) == 200
            waits.append(time.perf_counter() - start)
            writer.close()
            await asyncio.sleep(0.02)

    async def send():
        for media_type, body in bodies * rounds:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", SEND, str(port), media_type, body, stdout=subprocess.PIPE
            )
            statuses.append((await process.communicate())[0].decode().strip())

    watch = asyncio.create_task(health())
    await asyncio.gather(*(send() for _ in range(8)))
    done = True
    await watch
    for _, writer in stalls:
        writer.close()
    return waits, statuses


# In processes of their own, so that what they do does not hold up who measures.
SEND = """
import http.client, sys
port, media_type, path = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=300)
headers = {"Content-Type": media_type, "Accept": "application/x-npz"}
try:
    connection.request("POST", "/score", open(path, "rb").read(), headers)
    response = connection.getresponse()
    response.read()
    print(response.status)
except OSError as error:
    print(type(error).__name__)
"""


def largest_bodies(folder, features, size=64 * 2**20):
    """Writes bodies of nearly the largest size, and returns each with its media type."""
    rows = (size - 1000) // 4 // int(np.prod(features))
    x = np.random.default_rng(0).random((rows, *features), "float32")
    np.save(folder / "x.npy", x)
    part = json.dumps(x[: size // 20 // int(np.prod(features))].tolist())
    contents = {
        "numbers": '{"x": ' + part[: part.rindex("]], [[") + 2] + "]}",
        "zeros": '{"x": ' + json.dumps(np.zeros((rows // 2, *features), int).tolist()) + "}",
        "lists": '{"x": [' + "[]," * (62 * 2**20 // 3) + "[]]}",
        "pairs": "[" + "[]" * (31 * 2**20) + "]",
    }
    found = [(NPY, folder / "x.npy")]
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(content)
        print(f"{name}: {len(content) / 2**20:.1f} MiB")
        found.append((JSON, folder / f"{name}.json"))
    return found


def under_attack(model, folder):
    """Prints what /health and the memory did while the server was under attack."""
    bodies = largest_bodies(folder, (28, 28, 1))
    with served(model) as (port, process):
        asyncio.run(throughput(port, "/score", npy(1)))
        before, peak = memory(process), 0.0
        for round in range(2):
            waits, statuses = asyncio.run(attack(port, bodies))
            time.sleep(2.0)
            counts = {status: statuses.count(status) for status in sorted(set(statuses))}
            waits.sort()
            print(f"round {round}: /health {len(waits)} times, median {waits[len(waits) // 2]:.3f} s,"
                  f" 99 % {waits[int(len(waits) * 0.99)]:.3f} s, most {waits[-1]:.3f} s; {counts};"
                  f" memory {before:.0f} MB before, {memory(process):.0f} MB after")  # fmt: skip


def npy(n):
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).random((n, 28, 28, 1), "float32"))
    return file.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=["throughput", "attack"])
    parser.add_argument("--format", default="onnx", choices=["onnx", "tf_saved_model"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / args.format
        command = [sys.executable, "-c", EXPORT, model, args.format]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        if args.only != "attack":
            for route in ("/score", "/encode", "/reconstruct"):
                compare(model, route, npy(1))
        if args.only != "throughput":
            under_attack(model, folder)


if __name__ == "__main__":
    main()
