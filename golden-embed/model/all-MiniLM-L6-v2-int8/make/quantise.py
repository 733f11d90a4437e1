"""Stores the weights of minilm.onnx as int8, in minilm-w8.onnx. Needs onnx and numpy.

Every large matrix becomes int8, a scale for each row (embeddings) or each output column (products), and a
DequantizeLinear, which the runtime folds when it loads the model. A matrix with a weight that is many times as large
as those of the other columns stays as 16-bit floats: in int8 its column would have next to no steps left for the
others. Products get the names of their layers, so that other programs find them.
"""
import numpy as np
import onnx
from onnx import helper, numpy_helper

# Times the scale of the column in the middle. Of this model's matrices one has 43, the next 26.
OUTLIER = 32

model = onnx.load("minilm.onnx")
graph = model.graph
users = {}
for node in graph.node:
    for name in node.input:
        users.setdefault(name, []).append(node)

folded = []
for tensor in list(graph.initializer):
    weights = numpy_helper.to_array(tensor)
    if weights.ndim != 2 or weights.dtype != np.float32 or weights.size < 10_000:
        continue
    user = users[tensor.name][0]
    axis = 0 if user.op_type == "Gather" else 1
    scale = (np.abs(weights).max(axis=1 - axis) / 127).astype(np.float32)
    scale[scale == 0] = 1
    name = tensor.name
    if user.op_type == "MatMul":
        name = user.name.strip("/").replace("/", ".").replace(".MatMul", ".weight")
        user.input[1] = name
    graph.initializer.remove(tensor)
    if axis == 1 and scale.max() > OUTLIER * np.median(scale):
        graph.initializer.append(numpy_helper.from_array(weights.astype(np.float16), name + "_h"))
        folded.append(helper.make_node("Cast", [name + "_h"], [name], to=onnx.TensorProto.FLOAT))
        print("16-bit floats:", name)
        continue
    steps = weights / (scale[:, None] if axis == 0 else scale[None, :])
    quantised = np.clip(np.rint(steps), -127, 127).astype(np.int8)
    zero = np.zeros(scale.shape, np.int8)
    for part, values in (("_q", quantised), ("_s", scale), ("_z", zero)):
        graph.initializer.append(numpy_helper.from_array(values, name + part))
    folded.append(helper.make_node("DequantizeLinear", [name + "_q", name + "_s", name + "_z"], [name], axis=axis))

nodes = folded + list(graph.node)
del graph.node[:]
graph.node.extend(nodes)
onnx.checker.check_model(model)
onnx.save(model, "minilm-w8.onnx")
print(len(folded), "matrices")
