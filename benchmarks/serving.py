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
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np

SERVING = Path(__file__).parents[1] / "keras_vae" / "serving"
HOST, CLIENTS, ROUNDS, SECONDS = "127.0.0.1", 32, 5, 2.0
FEATURES = (32, 32, 3)
NPY, JSON = "application/x-npy", "application/json"
EXPORT = """
import sys
import keras, keras_vae as kv

keras.utils.set_random_seed(0)
vae = kv.VAE(
    kv.VariationalEncoder(32, kv.networks.ConvEncoder((32, 64, 128))),
    kv.networks.ConvDecoder((32, 32, 3), (128, 64, 32)),
)
vae.build((None, 32, 32, 3))
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
    """Prints the throughput with and without batching, and the processor's time of a request."""
    with served(model) as together, served(model, "--max-rows", "1") as alone:
        rounds = []
        for _ in range(ROUNDS):
            for port, process in (together, alone):
                before = cpu_seconds(process)
                rate = asyncio.run(throughput(port, route, body))
                rounds.append((rate, (cpu_seconds(process) - before) / (rate * SECONDS) * 1e3))
    numbers = np.array(rounds).reshape(ROUNDS, 2, 2)  # round, server, measure
    (rate, cpu), (rate_alone, cpu_alone) = np.median(numbers, axis=0)
    ratios, cpu_ratios = numbers[:, 0, 0] / numbers[:, 1, 0], numbers[:, 1, 1] / numbers[:, 0, 1]
    print(f"{model.name} {route}, batched and not: {rate:.0f} and {rate_alone:.0f} requests/s")
    print(f"  ratio {spread(ratios)}; {cpu:.2f} and {cpu_alone:.2f} ms of the processor", end="")
    print(f" a request, ratio {spread(cpu_ratios)}")


def spread(ratios):
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def cpu_seconds(process):
    """Returns the processor's time of a process."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process):
    """Returns the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def attack(port, bare_port, bodies, stalled=300):
    """Returns the seconds of /health, of a server of nothing, and the statuses of the bodies."""
    parts = [b"POST /encode HT", request("POST", "/encode", bytes(1000))[:-500]]
    stalls = [await asyncio.open_connection(HOST, port) for _ in range(stalled)]
    for i, (_, writer) in enumerate(stalls):
        writer.write(parts[i % 2])
    waits, bare, statuses, done = [], [], Counter(), False

    async def health(port, waits):
        while not done:
            start = time.perf_counter()
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(request("GET", "/health"))
            assert await answer(reader) == 200
            waits.append(time.perf_counter() - start)
            writer.close()
            await asyncio.sleep(0.02)

    async def send():
        for media_type, body in bodies:
            command = [sys.executable, "-c", SEND, str(port), media_type, body]
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            output, _ = await process.communicate()
            statuses[f"{body.name}: {output.decode().strip()}"] += 1

    watches = asyncio.gather(health(port, waits), health(bare_port, bare))
    await asyncio.gather(*(send() for _ in range(8)))
    done = True
    await watches
    for _, writer in stalls:
        writer.close()
    return waits, bare, statuses


# In processes of their own, so that what they do does not hold up who measures.
SEND = """
import http.client, sys
port, media_type, path = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=300)
headers = {"Content-Type": media_type, "Accept": "application/x-npz"}
try:
    connection.request("POST", "/encode", open(path, "rb").read(), headers)
    response = connection.getresponse()
    response.read()
    print(response.status)
except OSError as error:
    print(type(error).__name__)
"""


def largest_bodies(folder, size=62 * 2**20):
    """Writes bodies of nearly the largest size, and returns each with its media type."""
    rows = size // 4 // np.prod(FEATURES)
    x = np.random.default_rng(0).random((rows, *FEATURES), "float32")
    np.save(folder / "numbers.npy", x)
    part = json.dumps(x[:100].tolist())[1:-1]
    contents = {
        "numbers.json": part + f", {part}" * (size // len(part) - 1),
        "lists.json": "[]," * (size // 3) + "[]",
        "pairs.json": "[]" * (size // 2),
    }
    for name, content in contents.items():
        (folder / name).write_text(f'{{"x": [{content}]}}')
    return [(NPY, folder / "numbers.npy"), *((JSON, folder / name) for name in contents)]


def under_attack(model, folder):
    """Prints what /health and the memory did while the server was under attack."""
    bodies = largest_bodies(folder)
    with served(model) as (port, process), bare_server() as bare_port:
        asyncio.run(throughput(port, "/encode", npy(1)))
        before = memory(process)
        waits, bare, statuses = asyncio.run(attack(port, bare_port, bodies))
        time.sleep(3.0)
        print(f"memory {before:.0f} MB before, {memory(process):.0f} MB after; {dict(statuses)}")
        for name, found in (("/health", waits), ("a server of nothing", bare)):
            median, late = statistics.median(found), sorted(found)[int(len(found) * 0.99)]
            print(f"{name}, {len(found)} times: median {median:.3f} s,", end=" ")
            print(f"99 % {late:.3f} s, most {max(found):.3f} s")


@contextmanager
def bare_server():
    """Yields the port of a server that does nothing else: what the machine makes of a wait."""
    process = subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


BARE = """
import asyncio

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def npy(n):
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).random((n, *FEATURES), "float32"))
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
