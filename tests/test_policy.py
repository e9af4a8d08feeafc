"""The policy's log-probabilities, its token boundaries, and that what it saves others can load."""

import json
from pathlib import Path

import peft
import pytest
import torch
import transformers
from model_fixtures import ARCHITECTURES, make_model, make_tokenizer, save_tiny_model

from codealign import head as heads
from codealign import policy as policy_module
from codealign.batches import EncodedPair, batch_pairs
from codealign.config import ModelConfig
from codealign.errors import ConfigError, DataError, ModelError
from codealign.experience import encode_pairs
from codealign.logprobs import PLAIN
from codealign.policy import Policy, Score, load_policy
from codealign.records import Pair

PAIRS = [
    EncodedPair((5, 6, 7), (8, 9, 10, 11), (12, 0)),
    EncodedPair((20, 21), (22, 0), (23, 24, 25, 26, 27, 0)),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {name: str(save_tiny_model(root / name, name)) for name in ARCHITECTURES}


def load(path: str, **options) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=path, **options))


def plain_logps(model: torch.nn.Module, prompt: tuple, completion: tuple) -> torch.Tensor:
    """One sequence, no batch, all logits: the definition."""
    ids = torch.tensor([[*prompt, *completion]])
    logps_LV = model(input_ids=ids).logits[0].log_softmax(-1)
    sources = logps_LV[len(prompt) - 1 : -1]
    return sources.gather(-1, torch.tensor(completion)[:, None])[:, 0]


# ------------------------------------------------------------------ log-probabilities


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("use_peft", [False, True])
def test_token_logps_are_the_plain_ones_of_each_sequence(models, architecture, use_peft):
    policy = load(models[architecture], use_peft=use_peft)
    policy.model.double()
    batch = batch_pairs(PAIRS)
    logps_NT = policy.token_logps(batch)
    assert logps_NT.shape == (4, 6)
    for row, (prompt, completion) in zip(logps_NT, batch.rows(), strict=True):
        wanted = plain_logps(policy.model, prompt, completion)
        torch.testing.assert_close(row[: len(completion)], wanted, rtol=0, atol=1e-12)
        assert row[len(completion) :].tolist() == [0.0] * (6 - len(completion))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_are_the_plain_ones(models, architecture):
    policy = load(models[architecture])
    policy.model.double()
    batch = batch_pairs(PAIRS)
    policy.token_logps(batch).sum().backward()
    ours = [p.grad.clone() for _, p in policy.trainable_parameters()]
    policy.model.zero_grad()
    sum(plain_logps(policy.model, *row).sum() for row in batch.rows()).backward()
    # Llama's and Qwen's norms work in float32 whatever the model's type, and a shared prompt's gradients
    # are added up before them; GPT-2's norms keep float64.
    atol = 1e-11 if architecture == "gpt2" else 5e-6
    for (name, parameter), gradient in zip(policy.trainable_parameters(), ours, strict=True):
        torch.testing.assert_close(
            gradient, parameter.grad, rtol=1e-9, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("path", ["tree", "plain"])
@pytest.mark.parametrize("with_kl", [False, True])
def test_entropies_and_kls_are_those_of_whole_distributions(
    models, architecture, path, with_kl, monkeypatch
):
    """Values and gradients, over the whole vocabulary, three tokens a block."""
    monkeypatch.setattr(heads, "BLOCK_BYTES", 3 * 4 * 300)
    policy = load(models[architecture], use_peft=with_kl, lora_target_modules="all-linear")
    policy.model.double()
    torch.manual_seed(0)
    for _, parameter in policy.trainable_parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)  # away from the reference
    if path == "plain":
        policy.log_probs.path = PLAIN
    batch = batch_pairs(PAIRS)

    def flat(values_NT: torch.Tensor) -> torch.Tensor:
        rows = zip(values_NT, batch.completions, strict=True)
        return torch.cat([row[: len(completion)] for row, completion in rows])

    def by_definition(prompt: tuple, completion: tuple) -> torch.Tensor:
        ids = torch.tensor([[*prompt, *completion]])
        logps = policy.model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        told = [logps.gather(-1, torch.tensor(completion)[:, None])[:, 0]]
        told.append(-(logps.exp() * logps).sum(-1))
        told.append(logps.exp().square().sum(-1).log().detach())
        if with_kl:
            with torch.no_grad(), policy.reference():
                other = policy.model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            told.append((logps.exp() * (logps - other)).sum(-1))
        return torch.stack(told)

    found = policy.token_spread(batch, with_kl=with_kl)
    assert (found.kls_NT is not None) == with_kl
    ours = torch.stack([flat(each) for each in found if each is not None])
    wanted = torch.cat([by_definition(*row) for row in batch.rows()], dim=1)
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-11)
    factors = torch.randn_like(ours)
    gradients = []
    for values in (ours, wanted):
        policy.model.zero_grad()
        (values * factors).sum().backward()
        gradients.append([p.grad.clone() for _, p in policy.trainable_parameters()])
    atol = 1e-10 if architecture == "gpt2" else 5e-6  # norms in float32, as above
    for mine, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-9, atol=atol)


def test_a_kl_without_an_adapter_is_refused(models):
    with pytest.raises(ConfigError, match="use_peft: true"):
        load(models["llama"]).token_spread(batch_pairs(PAIRS), with_kl=True)


def test_prompts_pass_once_and_only_completion_positions_meet_the_output_layer(models, monkeypatch):
    policy = load(models["qwen2"])
    layer, head = policy.model.model.layers[0], policy.model.get_output_embeddings()
    passed, projected, logits = [], [], []
    layer.register_forward_pre_hook(lambda _, inputs: passed.append(inputs[0].shape[:2]))
    head.register_forward_hook(lambda _, inputs, output: logits.append(output.numel()))
    token_logps = heads.token_logps
    monkeypatch.setattr(
        heads, "token_logps", lambda h, *rest: projected.append(len(h)) or token_logps(h, *rest)
    )
    policy.token_logps(batch_pairs(PAIRS))
    # Prompts of 3 and 2 tokens; of each completion all tokens but the last are read: 3 + 1 and 1 + 5.
    assert passed == [(1, 3 + (3 + 1) + 2 + (1 + 5))]
    assert projected == [4 + 2 + 2 + 6]
    assert logits == [0]


def test_bfloat16_weights_give_float32_logps(models):
    policy = load(models["llama"], dtype="bfloat16")
    exact = load(models["llama"])
    batch = batch_pairs(PAIRS)
    logps_NT = policy.token_logps(batch)
    assert policy.model.dtype == torch.bfloat16
    assert logps_NT.dtype == torch.float32
    # bfloat16 has 8 bits: relative steps of 2^-8 through two layers and logits of size 10.
    torch.testing.assert_close(logps_NT, exact.token_logps(batch), rtol=0.05, atol=0.5)


def test_dropout_is_off_even_in_training(tmp_path):
    model = make_model("gpt2")
    model.config.resid_pdrop = model.config.attn_pdrop = model.config.embd_pdrop = 0.5
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    policy = load(str(tmp_path))
    batch = batch_pairs(PAIRS)
    before = policy.token_logps(batch)
    policy.train_mode(True)
    torch.testing.assert_close(policy.token_logps(batch), before, rtol=0, atol=0)


@pytest.mark.parametrize("use_peft", [False, True])
def test_gradient_checkpointing_changes_memory_not_numbers(models, use_peft):
    gradients = []
    for checkpointing in (False, True):
        policy = load(models["llama"], gradient_checkpointing=checkpointing, use_peft=use_peft)
        policy.train_mode(True)
        runs = count_layer_forwards(policy)
        policy.token_logps(batch_pairs(PAIRS)).sum().backward()
        # Two layers; a checkpointed layer runs once more in the backward.
        assert len(runs) == (4 if checkpointing else 2)
        gradients.append([p.grad.clone() for _, p in policy.trainable_parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed, rtol=1e-5, atol=1e-6)


def count_layer_forwards(policy: Policy) -> list[str]:
    runs: list[str] = []
    for name, module in policy.model.named_modules():
        if name.endswith(".mlp"):
            # Before, not after: the second run stops as soon as it has what the backward needs.
            module.register_forward_pre_hook(lambda *_, name=name: runs.append(name))
    return runs


def test_lora_reference_is_the_base_model(models):
    policy = load(models["qwen2"], use_peft=True)
    batch = batch_pairs(PAIRS)
    base_logps_NT = load(models["qwen2"]).token_logps(batch)
    with torch.no_grad():
        for _, parameter in policy.trainable_parameters():
            parameter.add_(0.1)
    with policy.reference():
        torch.testing.assert_close(policy.token_logps(batch), base_logps_NT, rtol=0, atol=0)
    assert (policy.token_logps(batch) - base_logps_NT).abs().max() > 0.01


def test_reference_hash_is_of_the_base_and_changes_with_it(models):
    full = load(models["qwen2"])
    assert load(models["qwen2"], use_peft=True).reference_hash() == full.reference_hash()
    before = full.reference_hash()
    with torch.no_grad():
        full.trainable_parameters()[0][1][0, 0] += 1e-3
    assert full.reference_hash() != before


# ------------------------------------------------------------------ text to ids


def test_joined_text_is_cut_after_the_prompt(models):
    policy = load(models["llama"])
    encoded = policy.encode_pair_text("def add(a, b):", "\n    return a")
    assert encoded.joined
    assert encoded.prompt_ids == policy.encode_prompt("def add(a, b):")
    whole = policy.tokenizer("def add(a, b):\n    return a")["input_ids"]
    assert encoded.prompt_ids + encoded.completion_ids == [*whole, policy.eos_id]


def test_a_boundary_that_merges_is_tokenised_apart(models):
    policy = load(models["llama"])
    # The tokenizer merges "\n" with the four spaces after it, so the prompt's ids are no prefix.
    encoded = policy.encode_pair_text("def add(a, b):\n", "    return a + b\n")
    assert not encoded.joined
    assert encoded.prompt_ids == policy.encode_prompt("def add(a, b):\n")
    assert policy.tokenizer.decode(encoded.completion_ids[:-1]) == "    return a + b\n"


def test_chat_models_get_their_template_once(tmp_path):
    path = str(save_tiny_model(tmp_path, "llama", chat=True))
    policy = load(path, system_prompt="Be brief.")
    text = policy.tokenizer.decode(policy.encode_prompt("Add."))
    assert text == "[system]Be brief.\n[user]Add.\n[assistant]"
    plain = load(path, chat_template="never")
    assert plain.tokenizer.decode(plain.encode_prompt("Add.")) == "Add."


def test_a_conversation_goes_through_the_template_whole(tmp_path):
    path = str(save_tiny_model(tmp_path, "llama", chat=True))
    turns = [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": "a + b"},
        {"role": "user", "content": "Why?"},
    ]
    text = "[user]Add.\n[assistant]a + b\n[user]Why?\n[assistant]"
    assert load(path).render_prompt(turns) == text
    briefly = load(path, system_prompt="Be brief.")
    assert briefly.render_prompt(turns) == f"[system]Be brief.\n{text}"
    own = [{"role": "system", "content": "Explain."}, *turns]
    assert briefly.render_prompt(own) == f"[system]Explain.\n{text}"
    pair = Pair(prompt="Why?", prompt_messages=turns, chosen="So.", rejected="No.")
    encoded = encode_pairs(load(path), [pair], None).pairs[0]
    decode = load(path).tokenizer.decode
    assert decode(encoded.prompt_ids + encoded.chosen_ids) == f"{text}So.<eos>"


def test_a_conversation_without_a_template_or_against_it_is_refused(models, tmp_path):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Add."}]
    with pytest.raises(
        DataError, match="a prompt of 2 messages, and this model is not read through"
    ):
        load(models["llama"]).render_prompt(turns)
    policy = load(str(save_tiny_model(tmp_path, "llama", chat=True)))
    policy.tokenizer.chat_template = "{{ raise_exception('no system message') }}"
    with pytest.raises(DataError, match="refuses system, user: no system message"):
        policy.render_prompt(turns)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chat_template": "always"}, "has none"),
        ({"system_prompt": "Be brief."}, "would be ignored"),
        ({"use_peft": True, "lora_target_modules": ["nothing"]}, "no LoRA adapter fits"),
    ],
)
def test_options_that_do_not_fit_the_model_are_refused(models, options, said):
    with pytest.raises(ModelError, match=said):
        load(models["qwen2"], **options)


def test_a_missing_model_says_what_to_give(tmp_path):
    with pytest.raises(
        ModelError, match=r"nowhere: no such directory\n  → give a directory or Hub id"
    ):
        load(str(tmp_path / "nowhere"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(models):
    with pytest.raises(ModelError, match=r"model\.device: PyTorch .* finds no cuda device here"):
        load(models["llama"], device="cuda")


def test_a_missing_kata_policy_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(policy_module, "KATA_POLICY", tmp_path / "kata_policy")
    with pytest.raises(ModelError, match="kata pretrain"):
        load("kata")


def test_a_tokenizer_without_eos_is_refused(tmp_path):
    path = save_tiny_model(tmp_path, "llama")
    settings = json.loads((path / "tokenizer_config.json").read_text())
    del settings["eos_token"]
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="no EOS token"):
        load(str(path))


# ------------------------------------------------------------------ saving


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_saved_model_loads_in_plain_transformers(models, architecture, tmp_path):
    policy = load(models[architecture])
    nudge(policy)
    policy.save(tmp_path, scores=[Score("kata held-out", "pass@1", 0.5)])
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("return a")["input_ids"] == policy.tokenizer("return a")["input_ids"]
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(model(ids).logits, policy.model(ids).logits, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # peft 0.21's
def test_a_saved_adapter_loads_in_peft_and_as_a_policy(models, tmp_path):
    policy = load(models["llama"], use_peft=True)
    nudge(policy)
    policy.save(tmp_path)
    ids = torch.tensor([[5, 6, 7]])
    wanted = policy.model(ids).logits
    adapted = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path)
    torch.testing.assert_close(adapted(ids).logits, wanted, rtol=0, atol=0)
    merged = load(str(tmp_path))
    assert not merged.has_adapter
    torch.testing.assert_close(merged.model(ids).logits, wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(ModelError, match="merge it first"):
        load(str(tmp_path), use_peft=True)


def test_the_model_card_has_the_scores_in_its_index(models, tmp_path):
    from huggingface_hub import ModelCard

    load(models["qwen2"]).save(tmp_path, scores=[Score("kata held-out", "pass@1", 0.5)])
    result = ModelCard.load(tmp_path / "README.md").data.eval_results[0]
    assert (result.dataset_name, result.metric_type, result.metric_value) == (
        "kata held-out",
        "pass@1",
        0.5,
    )


def test_an_adapter_of_a_relative_path_and_a_revision_finds_its_base_again(
    models, tmp_path, monkeypatch
):
    base = Path(models["qwen2"])
    monkeypatch.chdir(base.parent)
    load(f"./{base.name}", use_peft=True, revision="abc123").save(tmp_path / "adapter")
    monkeypatch.chdir(tmp_path)
    config = peft.PeftConfig.from_pretrained(tmp_path / "adapter")
    assert config.base_model_name_or_path == str(base)
    assert config.revision == "abc123"
    load(str(tmp_path / "adapter"))


@pytest.mark.parametrize("use_peft", [False, True])
def test_saved_weights_come_back_bit_for_bit(models, use_peft, tmp_path):
    policy = load(models["qwen2"], use_peft=use_peft)
    nudge(policy)
    saved = [parameter.clone() for _, parameter in policy.trainable_parameters()]
    policy.save(tmp_path)
    nudge(policy)
    policy.load_weights(tmp_path)
    for (_, parameter), wanted in zip(policy.trainable_parameters(), saved, strict=True):
        assert torch.equal(parameter, wanted)


def nudge(policy: Policy) -> None:
    """Move every trainable weight a little, so that what is saved is not what was loaded."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for _, parameter in policy.trainable_parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
