"""Makes tests/fixtures/embedding/small.onnx: a network of a few kilobytes with one layer of attention, made of chance,
to be damaged in tests. Takes the tokens of the static model beside it. Needs onnx and numpy; once is enough.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sentences import ROOT

TOKENS, WIDTH = 1500, 4
rng = np.random.default_rng(1)
steps = rng.integers(-127, 127, (TOKENS, WIDTH)).astype(np.int8)
weights = {
    "words_q": steps,
    "words_s": np.full(TOKENS, 0.01, np.float32),
    "words_z": np.zeros(TOKENS, np.int8),
    "queries": rng.normal(size=(WIDTH, WIDTH)).astype(np.float32),
    "keys": rng.normal(size=(WIDTH, WIDTH)).astype(np.float32),
    "up": rng.normal(size=(WIDTH, 8)).astype(np.float32),
    "down": rng.normal(size=(8, WIDTH)).astype(np.float32),
    "one": np.ones(1, np.float32),
    "least": np.full(1, -1e9, np.float32),
    "scale": np.ones(WIDTH, np.float32),
    "bias": np.zeros(WIDTH, np.float32),
    "middle": np.array([1], np.int64),
}
node = helper.make_node
nodes = [
    node("DequantizeLinear", ["words_q", "words_s", "words_z"], ["words"], axis=0),
    node("Gather", ["words", "input_ids"], ["embedded"]),
    node("MatMul", ["embedded", "queries"], ["q"]),
    node("MatMul", ["embedded", "keys"], ["k"]),
    node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
    node("MatMul", ["q", "kt"], ["scores"]),
    node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    node("Sub", ["one", "mask"], ["unmasked"]),
    node("Mul", ["unmasked", "least"], ["penalty"]),
    node("Unsqueeze", ["penalty", "middle"], ["wide"]),
    node("Add", ["scores", "wide"], ["masked"]),
    node("Softmax", ["masked"], ["shares"], axis=-1),
    node("MatMul", ["shares", "embedded"], ["context"]),
    node("Add", ["context", "embedded"], ["sum"]),
    node("LayerNormalization", ["sum", "scale", "bias"], ["normal"], axis=-1),
    node("MatMul", ["normal", "up"], ["inner"]),
    node("Relu", ["inner"], ["active"]),
    node("MatMul", ["active", "down"], ["made"]),
    node("Add", ["made", "normal"], ["last_hidden_state"]),
]
ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"]) for name in ("input_ids", "attention_mask")]
out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "seq", WIDTH])
initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
graph = helper.make_graph(nodes, "small", ids, [out], initializers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, ROOT / "tests/fixtures/embedding/small.onnx")
