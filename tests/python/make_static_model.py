"""Makes tests/fixtures/embedding/static, a small model2vec model, and the vectors that model2vec itself gives.

The tokens are those of this project's pages, their vectors come from golden-embed's builtin model. Needs model2vec,
onnxruntime and numpy; run it again only to change the model: `python make_static_model.py`.
"""
import base64
import json

import numpy as np
import onnxruntime
from model2vec import StaticModel
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.trainers import WordPieceTrainer

from sentences import ROOT, sentences

SIZE, WIDTH = 1500, 48
BUILTIN = ROOT / "golden-embed/model/all-MiniLM-L6-v2-int8"
FIXTURES = ROOT / "tests/fixtures/embedding"

texts = sentences()
tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
trainer = WordPieceTrainer(vocab_size=SIZE, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
tokenizer.train_from_iterator(texts, trainer)
tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]

session = onnxruntime.InferenceSession(BUILTIN / "model.onnx")
words = Tokenizer.from_file(str(BUILTIN / "tokenizer.json"))
words.no_padding()
vectors = []
for token in tokens:
    ids = np.array([words.encode(token.removeprefix("##")).ids])
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    vectors.append(session.run(["last_hidden_state"], inputs)[0][0].mean(axis=0))
vectors = np.array(vectors) - np.mean(vectors, axis=0)
axes = np.linalg.svd(vectors, full_matrices=False)[2][:WIDTH]

# Frequent tokens say little: the weight that model2vec gives by rank.
counts = np.ones(len(tokens))
for encoding in tokenizer.encode_batch(texts):
    np.add.at(counts, encoding.ids, 1)
share = counts / counts.sum()
weights = (1e-4 / (1e-4 + share)).astype(np.float32)

model = StaticModel((vectors @ axes.T).astype(np.float16), tokenizer, {"normalize": True}, weights=weights, normalize=True)
model.save_pretrained(FIXTURES / "static")
for extra in FIXTURES.joinpath("static").iterdir():
    if extra.name not in ("config.json", "model.safetensors", "tokenizer.json"):
        extra.unlink()

model = StaticModel.from_pretrained(str(FIXTURES / "static"))
with open(FIXTURES / "static.jsonl", "w", encoding="utf-8") as out:
    for text, vector in zip(texts[:250], model.encode(texts[:250])):
        encoded = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        out.write(json.dumps({"text": text, "f32": encoded}, ensure_ascii=False) + "\n")
