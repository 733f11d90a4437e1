"""Writes the model of ./minilm (config.json, model.safetensors) as minilm.onnx. Needs torch and transformers."""
import torch
from transformers import AutoModel


class LastHiddenState(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained("minilm", attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return output.last_hidden_state


ids = torch.randint(1000, 2000, (2, 16))
ones = torch.ones_like(ids)
inputs = ["input_ids", "attention_mask", "token_type_ids"]
outputs = ["last_hidden_state"]
torch.onnx.export(
    LastHiddenState(),
    (ids, ones, torch.zeros_like(ids)),
    "minilm.onnx",
    input_names=inputs,
    output_names=outputs,
    dynamic_axes={name: {0: "batch", 1: "seq"} for name in inputs + outputs},
    opset_version=17,
    dynamo=False,
)
