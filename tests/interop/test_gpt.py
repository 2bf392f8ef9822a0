"""GPT and GPT-2: ``transformers`` computes the same from our folders, and we from theirs."""

import json
import shutil

import numpy as np
import pytest
import torch

import gloze
from gloze.checkpoint import (
    load,
    load_parts,
    load_tensors,
    load_trained,
    save_model,
    save_tensors,
)
from gloze.checkpoint.sizes import encoder_shapes
from gloze.config.build import build_learner
from gloze.core.errors import ConfigError, DataError
from gloze.inference.batches import batches
from gloze.interop.architectures import ARCHITECTURES
from gloze.interop.gpt import GENERATIONS
from gloze.recipes import load_recipe
from tests.interop.models import copy_with
from tests.small import tokenizer

transformers = pytest.importorskip("transformers")

SMALL = [
    *("encoder.hidden_size=32", "encoder.num_attention_heads=2", "encoder.intermediate_size=128"),
    *("encoder.num_hidden_layers=3", "encoder.max_position_embeddings=32"),
    *("encoder.initializer_range=0.2", "sampler.max_length=32"),
]
SYSTEMS = {"openai-gpt": "gpt", "gpt2": "gpt2"}
LENGTHS = (1, 2, 9, 20, 32)


def learner_of(recipe, *changes):
    """Random weights spread enough that a wrong wire would show."""
    torch.manual_seed(0)
    config = load_recipe(recipe, [*SMALL, *changes])
    _, learner = build_learner(config, tokenizer())
    for parameter in learner.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return learner.eval()


def save(folder, recipe, *changes):
    save_model(folder, learner_of(recipe, *changes), tokenizer(), card="# A card\n")
    return folder


def theirs_of(kind, folder, **changes):
    """A random model of transformers, saved with our tokenizer."""
    torch.manual_seed(1)
    sizes = {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 32, "vocab_size": 90}
    made = {
        "openai-gpt": (transformers.OpenAIGPTConfig, transformers.OpenAIGPTLMHeadModel),
        "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel),
    }[kind]
    config = made[0](**sizes, initializer_range=0.2, **changes)
    model = made[1](config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    model.save_pretrained(folder)
    tokenizer().save(folder)
    return model


def sequences():
    draw = np.random.default_rng(0)
    return [draw.integers(0, 90, length) for length in LENGTHS]


def expect_same(ours, theirs):
    """All lengths at once with us, one by one with them: all states and all scores."""
    given = sequences()
    with torch.inference_mode():
        for chosen, batch in batches(given):
            states = ours.encoder(batch)
            scores = ours.heads["lm"].scores(states[-1])
            start = 0
            for number in chosen.tolist():
                out = theirs(torch.from_numpy(given[number])[None], output_hidden_states=True)
                own = slice(start, start + len(given[number]))
                for mine, reference in zip(states, out.hidden_states, strict=True):
                    assert torch.allclose(mine[own], reference[0], atol=1e-5)
                assert torch.allclose(scores[own], out.logits[0], atol=1e-5)
                start = own.stop


@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_folder_of_transformers_gives_its_states_and_scores(tmp_path, kind):
    model = theirs_of(kind, tmp_path)
    expect_same(load(tmp_path), model)


@pytest.mark.parametrize("kind", SYSTEMS)
def test_transformers_gives_the_states_and_scores_of_our_folder(tmp_path, kind):
    folder = save(tmp_path / "m", SYSTEMS[kind])
    values = json.loads((folder / "config.json").read_text())
    assert values["model_type"] == kind
    found, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    expect_same(load(folder), found.eval())
    bare = transformers.AutoModel.from_pretrained(folder).eval()
    ids = torch.from_numpy(sequences()[3])[None]
    assert torch.equal(bare(ids).last_hidden_state, found.transformer(ids).last_hidden_state)


def test_activations_widths_and_outputs_that_gpt2_may_have(tmp_path):
    model = theirs_of("gpt2", tmp_path / "erf", activation_function="gelu", n_inner=48)
    expect_same(load(tmp_path / "erf"), model)
    model = theirs_of("gpt2", tmp_path / "untied", tie_word_embeddings=False)
    assert "lm_head.weight" in load_tensors(tmp_path / "untied" / "model.safetensors")
    expect_same(load(tmp_path / "untied"), model)
    folder = save(tmp_path / "ours", "gpt2", "objectives.lm.tie_weights=false")
    expect_same(load(folder), transformers.GPT2LMHeadModel.from_pretrained(folder).eval())


@pytest.mark.parametrize("kind", SYSTEMS)
def test_files_of_old_and_of_bare_encoders_are_read(tmp_path, kind):
    model = theirs_of(kind, tmp_path / "m")
    tensors = load_tensors(tmp_path / "m" / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    # As on the hub: masks beside the weights, and the output as a copy of the table.
    for layer in range(3):
        bare[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 32, 32).tril()
        bare[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    table = bare["tokens_embed.weight" if kind == "openai-gpt" else "wte.weight"]
    bare["lm_head.weight"] = table.clone()
    save_tensors(bare, tmp_path / "m" / "model.safetensors")
    expect_same(load(tmp_path / "m"), model)
    parts = load_trained(tmp_path / "m")
    assert parts.unknown == []
    assert not [name for name in parts.tensors if name.startswith("heads.")]


@pytest.mark.parametrize("kind", SYSTEMS)
def test_every_weight_has_one_name_on_each_side_and_its_shape(kind):
    learner = learner_of(SYSTEMS[kind])
    own = learner.state_dict()
    layout = GENERATIONS[kind]
    assert all(layout.our_name(layout.their_name(name)) == name for name in own)
    config = learner.encoder.config
    shapes = {f"encoder.{n}": s for n, s in encoder_shapes(config, 90)}
    assert shapes == {name: tuple(tensor.shape) for name, tensor in own.items()}
    found, unknown = layout.to_ours(layout.to_theirs(own))
    assert unknown == []
    assert all(torch.equal(found[name], own[name]) for name in own)


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("gpt", ["objectives.lm.bias=true"]),
        ("gpt", ["encoder.hidden_act=gelu"]),
        ("gpt", ["encoder.intermediate_size=64"]),
        ("gpt", ["encoder.position_embeddings=sinusoidal"]),
        ("gpt", ["encoder.embedding_norm=true"]),
        ("gpt2", ["encoder.type_vocab_size=2"]),
        ("gpt2", ["objectives.lm.tie_weights=false", "objectives.lm.bias=true"]),
    ],
)
def test_what_no_layout_holds_goes_into_one_of_ours(tmp_path, recipe, changes):
    folder = save(tmp_path / "m", recipe, *changes)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "gloze-encoder"
    before, after = learner_of(recipe, *changes), load(folder)
    [(_, batch)] = batches([sequences()[3]])
    with torch.inference_mode():
        states, again = before.encoder(batch), after.encoder(batch)
        scores = before.heads["lm"].scores(states[-1])
        assert torch.allclose(after.heads["lm"].scores(again[-1]), scores, atol=1e-5)
    with pytest.raises(ConfigError, match=r"transformers has no class that computes it: .*GPT"):
        gloze.convert(folder, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_folder_is_converted_bit_for_bit(tmp_path, kind):
    theirs_of(kind, tmp_path / "m")
    gloze.convert(tmp_path / "m", output=tmp_path / "out")
    before, after = (load_tensors(tmp_path / f / "model.safetensors") for f in ("m", "out"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for layout in ("google", "sentence-transformers"):
        with pytest.raises(ConfigError, match=r"GPT(-2)? language model \(left-to-right\)"):
            gloze.convert(tmp_path / "m", output=tmp_path / "other", to=layout)


def test_what_needs_both_sides_says_so_before_it_reads_a_weight(tmp_path):
    theirs_of("gpt2", tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=r"holds a GPT-2 language model .*sees both sides"):
        load_parts(tmp_path / "m")


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("gpt2", {"model_type": "gptj"}, r"model_type 'gptj' cannot be loaded\. .*Known: bert, "),
        ("gpt2", {"model_type": 3}, "model_type 3 cannot be loaded"),
        ("gpt2", {"activation_function": "relu"}, "activation_function 'relu': only gelu_new"),
        ("openai-gpt", {"afn": "swish"}, "afn 'swish': only gelu can"),
        ("gpt2", {"n_embd": None}, "n_embd is missing"),
        ("gpt2", {"n_embd": "wide"}, "n_embd is 'wide': not a number"),
        ("gpt2", {"n_layer": 4}, "3 layers, and config.json says 4"),
        ("gpt2", {"n_positions": 10**7}, "max_position_embeddings is 10000000"),
        ("gpt2", {"n_inner": 100}, r"intermediate.weight of shape \(128, 32\)"),
        ("gpt2", {"vocab_size": 91}, "config.json says .91, 32."),
        ("gpt2", {"add_cross_attention": True}, "only plain one-way attention"),
        ("gpt2", {"scale_attn_weights": False}, "only scaled attention"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_reason(tmp_path, kind, changes, message):
    theirs_of(kind, tmp_path / "m")
    folder = copy_with(tmp_path / "m", tmp_path / "c", "config.json", **changes)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_another_architecture_is_refused_before_its_weights_are_read(tmp_path):
    theirs_of("gpt2", tmp_path / "m")
    folder = copy_with(tmp_path / "m", tmp_path / "c", "config.json", model_type="llama")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match="model_type 'llama' cannot be loaded"):
        load(folder)


def test_a_folder_of_an_older_version_with_a_pooler_is_read(tmp_path):
    folder = save(tmp_path / "m", "gpt", "objectives.lm.bias=true")
    (folder / "manifest.json").unlink()
    tensors = load_tensors(folder / "model.safetensors")
    more = {
        "encoder.pooler.dense.weight": torch.ones(32, 32),
        "encoder.pooler.dense.bias": torch.ones(32),
    }
    save_tensors({**tensors, **more}, folder / "model.safetensors")
    assert load_trained(folder).tensors.keys() == tensors.keys()


def test_all_layouts_refuse_what_another_holds():
    for kind, recipe in {"bert": "bert-tiny", **SYSTEMS}.items():
        config = load_recipe(recipe).encoder
        fitting = [name for name, each in ARCHITECTURES.items() if each.why_not(config, ()) is None]
        assert fitting == [kind]


def test_a_copied_folder_keeps_how_a_control_with_random_weights_starts(tmp_path):
    folder = save(tmp_path / "m", "gpt2")
    shutil.copytree(folder, tmp_path / "c")
    assert load_trained(tmp_path / "c").encoder.config.initialization == "scaled"
