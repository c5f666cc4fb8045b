"""Makes the files of this folder with Hugging Face transformers; see README.md."""
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

IGNORED = -100


def model(tied):
    torch.manual_seed(17 if tied else 16)
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 512}
    config = LlamaConfig(
        vocab_size=53, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        max_position_embeddings=4096, initializer_range=0.3, rms_norm_eps=1e-5, tie_word_embeddings=tied,
        rope_parameters=scaling | {"rope_theta": 1000.0}, bos_token_id=1, eos_token_id=[2, 3])
    llama = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in llama.named_parameters():
            if "norm" in name:  # ones tell nothing about how the scale is stored
                parameter.add_(0.3 * torch.randn_like(parameter))
    return llama


def batch():
    """Two rows, the second padded on the left; positions reach far enough for every band of the frequency scaling."""
    torch.manual_seed(18)
    ids = torch.randint(4, 53, (2, 12))
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, :3] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    positions[0] += 30 * torch.arange(12)
    labels = ids.masked_fill(mask == 0, IGNORED)
    labels[:, :5] = IGNORED
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "labels": labels}


def expected(llama, inputs, tied):
    llama.eval()
    double = llama.double()
    out = double(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], position_ids=inputs["position_ids"])
    counted = inputs["labels"][:, 1:] != IGNORED
    loss = torch.nn.functional.cross_entropy(out.logits[:, :-1][counted], inputs["labels"][:, 1:][counted])
    loss.backward()
    tensors = {"logits": out.logits * inputs["attention_mask"][:, :, None], "mean_loss": loss[None]}
    for name, parameter in double.named_parameters():
        if tied and "embed" not in name:  # what differs from the untied model
            continue
        tensors["grad." + name] = parameter.grad
    return {name: t.detach().float().contiguous() for name, t in tensors.items()}


def main(target):
    print("transformers", transformers.__version__, "torch", torch.__version__)
    inputs = batch()
    save_file({name: t.int() for name, t in inputs.items()}, target / "batch.safetensors")
    for name, tied in (("untied", False), ("tied", True)):
        llama = model(tied)
        llama.save_pretrained(target / name)
        (target / name / "generation_config.json").unlink(missing_ok=True)
        save_file(expected(llama, inputs, tied), target / f"{name}.expected.safetensors")


main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
