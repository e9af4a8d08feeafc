"""Several references: their log-probs in the pairs, from each model's own tokens, and training on them.

The policy is a Llama; reference 1 a Qwen2 with a chat template, reference 2 a GPT-2, both with tokenizers of their own.
"""

import itertools
import math
from pathlib import Path

import pytest
import torch
from model_fixtures import save_tiny_model, text_pairs

from codealign.config import MRPO, ModelConfig, ReferenceConfig, TrainConfig
from codealign.errors import DataError, InputError
from codealign.experience import encode_pairs
from codealign.objectives.mrpo import Sides, validation_weights
from codealign.policy import Policy, load_policy
from codealign.records import Pair, read_records, read_rows, write_records
from codealign.reference_logps import AnnotatedPairs, annotate_with_references
from codealign.training import train

PAIRS = text_pairs(20)
PROMPTS = {pair.task_id: pair.prompt for pair in PAIRS}


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[str]:
    """The policy's, and those of two references."""
    root = tmp_path_factory.mktemp("models")
    return [
        str(save_tiny_model(root / "policy", "llama")),
        str(save_tiny_model(root / "one", "qwen2", seed=1, chat=True, vocab_size=270)),
        str(save_tiny_model(root / "two", "gpt2", seed=2, vocab_size=285)),
    ]


def load(path: str, **options) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=path, **options))


def section_of(paths: list[str], **options) -> MRPO:
    return MRPO(
        references=[ReferenceConfig(model_name_or_path=path) for path in paths[1:]], **options
    )


def annotate(paths, root: Path, pairs=PAIRS, *, policy=None, seed=0, **options) -> AnnotatedPairs:
    prompts = [PROMPTS[pair.task_id] for pair in pairs]
    section = section_of(paths, **options)
    return annotate_with_references(policy or load(paths[0]), pairs, prompts, section, root, seed)


def plain_logp(policy: Policy, prompt: str, completion: str, *, ended: bool = True) -> float:
    """log π of a completion by transformers alone: one row, a whole softmax."""
    prompt_ids, completion_ids, _ = policy.encode_pair_text(prompt, completion)
    completion_ids = completion_ids if ended else completion_ids[:-1]
    ids = torch.tensor([prompt_ids + completion_ids])
    with torch.no_grad():
        logps_LV = policy.model(ids).logits[0].double().log_softmax(-1)
    start = len(prompt_ids) - 1
    return sum(logps_LV[start + t, each].item() for t, each in enumerate(completion_ids))


@pytest.fixture
def num_forwards(monkeypatch) -> list[int]:
    counts: list[int] = []
    original = Policy.token_logps

    def noted(policy: Policy, batch):
        counts.append(batch.num_completions)
        return original(policy, batch)

    monkeypatch.setattr(Policy, "token_logps", noted)
    return counts


# ------------------------------------------------------------------ the columns


def test_each_reference_s_log_probs_are_of_its_own_tokens_in_its_own_template(paths, tmp_path):
    found = annotate(paths, tmp_path)
    assert found.reference_weights is None
    assert not found.left_out
    references = [load(path) for path in paths[1:]]
    ids = {tuple(each.tokenizer(PAIRS[0].chosen)["input_ids"]) for each in references}
    assert len(ids) == 2, "the case should have two tokenizers"
    for pair, given in zip(found.pairs, PAIRS, strict=True):
        assert pair.to_row().items() > given.to_row().items()
        for k, reference in enumerate(references):
            for text, logps in (
                (pair.chosen, pair.chosen_reference_logps),
                (pair.rejected, pair.rejected_reference_logps),
            ):
                wanted = plain_logp(reference, pair.prompt, text)
                assert logps[k] == pytest.approx(wanted, abs=1e-4)


def test_the_problem_s_prompt_is_read_where_the_pair_s_has_the_policy_s_template(paths, tmp_path):
    rendered = [pair.model_copy(update={"prompt": f"[user]{pair.prompt}"}) for pair in PAIRS[:2]]
    plain, templated = (annotate(paths, tmp_path, pairs).pairs for pairs in (PAIRS[:2], rendered))
    for one, other in zip(plain, templated, strict=True):
        assert one.chosen_reference_logps == other.chosen_reference_logps


def sampled(policy: Policy, text: str, *, eos: bool) -> list[int]:
    return policy.tokenizer(text)["input_ids"] + [policy.eos_id] * eos


def test_an_end_is_read_where_the_policy_s_ids_have_one(paths, tmp_path):
    policy = load(paths[0])
    pair = PAIRS[0].model_copy(
        update={
            "prompt_ids": policy.encode_prompt(PAIRS[0].prompt),
            "chosen_ids": sampled(policy, PAIRS[0].chosen, eos=True),
            "rejected_ids": sampled(policy, PAIRS[0].rejected, eos=False),
        }
    )
    [found] = annotate(paths, tmp_path, [pair]).pairs
    for k, path in enumerate(paths[1:]):
        whole = plain_logp(load(path), pair.prompt, pair.chosen)
        cut = plain_logp(load(path), pair.prompt, pair.rejected, ended=False)
        assert found.chosen_reference_logps[k] == pytest.approx(whole, abs=1e-4)
        assert found.rejected_reference_logps[k] == pytest.approx(cut, abs=1e-4)


def test_a_side_without_ids_that_was_cut_ends_for_nobody(paths, tmp_path):
    pair = Pair(**PAIRS[0].to_row(), rejected_finish_reason="length")
    policy = load(paths[0])
    encoded = encode_pairs(policy, [pair], None).pairs[0]
    assert encoded.chosen_ids[-1] == policy.eos_id
    assert policy.eos_id not in encoded.rejected_ids
    [found] = annotate(paths, tmp_path, [pair]).pairs
    cut = plain_logp(load(paths[2]), pair.prompt, pair.rejected, ended=False)
    assert found.rejected_reference_logps[1] == pytest.approx(cut, abs=1e-4)


def test_with_a_stop_string_the_text_is_what_the_ids_say(paths, tmp_path):
    """The completion's text ends before the stop string; the ids, which are learnt, hold it."""
    policy = load(paths[0])
    ids = sampled(policy, PAIRS[0].chosen + "\ndef", eos=False)
    update = {"prompt_ids": policy.encode_prompt(PAIRS[0].prompt), "chosen_ids": ids}
    [found] = annotate(paths, tmp_path, [PAIRS[0].model_copy(update=update)]).pairs
    wanted = plain_logp(load(paths[2]), PAIRS[0].prompt, PAIRS[0].chosen + "\ndef", ended=False)
    assert found.chosen_reference_logps[1] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("options", [{}, {"use_peft": True}], ids=["full", "adapter"])
def test_asking_twice_computes_nothing_and_the_policy_is_as_it_was(
    paths, tmp_path, num_forwards, options
):
    policy = load(paths[0], **options)
    before = {name: tensor.clone() for name, tensor in policy.model.state_dict().items()}
    first = annotate(paths, tmp_path, policy=policy, weights={"kind": "validation"})
    assert sum(num_forwards) == 2 * 40 + 2 * first.left_out["validation"]
    again = annotate(paths, tmp_path, policy=policy, weights={"kind": "validation"})
    assert again == first
    assert sum(num_forwards) == 2 * 40 + 2 * first.left_out["validation"]
    for name, tensor in policy.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_what_a_reference_or_the_policy_can_t_read_is_left_out_and_counted(paths, tmp_path):
    """Windows are 256 tokens; the policy's tokenizer has larger pieces of this line than the others'."""
    line = "        result += x\n"
    counts = [len(load(path).tokenizer(line * 30)["input_ids"]) for path in paths]
    assert counts[0] + 50 < 256 < counts[1]
    long = PAIRS[1].model_copy(update={"chosen": line * 30})
    longer = PAIRS[2].model_copy(update={"chosen": line * 100})
    same = PAIRS[3].model_copy(update={"chosen": PAIRS[3].rejected})
    found = annotate(paths, tmp_path, [PAIRS[0], long, longer, same])
    assert [pair.task_id for pair in found.pairs] == ["t/0"]
    assert found.left_out == {"too_long_for_a_reference": 1, "too_long": 1, "identical": 1}


def test_messages_go_through_each_reference_s_own_template(paths, tmp_path):
    """A pair that was written elsewhere, with ids; the second reference has no template and says so."""
    policy, messages = load(paths[0]), [{"role": "system", "content": "Be terse."}]
    messages.append({"role": "user", "content": PAIRS[0].prompt})
    ids = {"prompt_ids": [7, 8], "chosen_ids": [9, 10, 0], "rejected_ids": [11, 0]}
    pair = PAIRS[0].model_copy(update=ids)
    chat = MRPO(references=[ReferenceConfig(model_name_or_path=paths[1])])
    [found] = annotate_with_references(policy, [pair], [messages], chat, tmp_path, 0).pairs
    text = policy.decode([9, 10])
    assert found.chosen_reference_logps == [
        pytest.approx(plain_logp(load(paths[1]), messages, text), abs=1e-4)
    ]
    with pytest.raises(DataError, match="a prompt of 2 messages, and this model is not read"):
        annotate_with_references(policy, [pair], [messages], section_of(paths), tmp_path, 0)


# ------------------------------------------------------------------ weights by validation


def test_validation_weights_are_those_of_the_prompts_that_are_set_aside(paths, tmp_path):
    """Two pairs a prompt; the arithmetic again from plain models, per token of the policy."""
    pairs = [*PAIRS, *(p.model_copy(update={"chosen": p.chosen + "#"}) for p in PAIRS)]
    found = annotate(paths, tmp_path, pairs, weights={"kind": "validation", "share": 0.2})
    assert found.left_out == {"validation": 8}
    kept = {pair.prompt for pair in found.pairs}
    aside = [pair for pair in pairs if pair.prompt not in kept]
    assert (len(kept), len(aside), len(found.pairs)) == (16, 8, 32)
    policies = [load(path) for path in paths]
    sides = [
        [[plain_logp(policy, p.prompt, getattr(p, side)) for policy in policies] for p in aside]
        for side in ("chosen", "rejected")
    ]
    encoded = encode_pairs(policies[0], aside, None).pairs
    lengths = [[len(e.chosen_ids) for e in encoded], [len(e.rejected_ids) for e in encoded]]
    wanted = validation_weights(
        Sides(*torch.tensor(sides, dtype=torch.float64)), Sides(*torch.tensor(lengths))
    )
    assert found.reference_weights == pytest.approx(wanted.tolist(), abs=1e-6)
    assert all(pair.reference_weights == found.reference_weights for pair in found.pairs)
    assert sum(found.reference_weights) == pytest.approx(1.0, abs=1e-12)


def test_the_seed_and_nothing_else_chooses_what_is_set_aside(paths, tmp_path):
    def kept(pairs=PAIRS, seed=0):
        found = annotate(paths, tmp_path, pairs, seed=seed, weights={"kind": "validation"})
        return {pair.task_id for pair in found.pairs}

    assert len(kept()) == 18
    assert kept() == kept(PAIRS[::-1])
    assert kept() != kept(seed=1)


def test_one_prompt_can_t_be_set_aside_and_trained_on(paths, tmp_path):
    with pytest.raises(DataError, match="validation must set one aside"):
        annotate(paths, tmp_path, PAIRS[:1], weights={"kind": "validation"})
    two = annotate(paths, tmp_path, PAIRS[:2], weights={"kind": "validation", "share": 0.9})
    assert len(two.pairs) == 1


# ------------------------------------------------------------------ columns that are read back


COLUMNS = {
    "chosen_reference_logps": [-5.0, -6.0],
    "rejected_reference_logps": [-7.0, -8.0],
    "reference_weights": [0.5, 0.25, 0.25],
}


def encode_with(paths, *changes: dict) -> list:
    pairs = [
        pair.model_copy(update=change)
        for pair, change in zip(PAIRS[: len(changes)], changes, strict=True)
    ]
    return encode_pairs(load(paths[0]), pairs, None)


def test_columns_reach_the_encoded_pair_and_its_hash(paths, tmp_path):
    write_records(tmp_path / "pairs.jsonl", [PAIRS[0].model_copy(update=COLUMNS)])
    pairs = list(read_records(Pair, tmp_path / "pairs.jsonl"))
    encoded = encode_pairs(load(paths[0]), pairs, None)
    assert encoded.pairs[0].chosen_reference_logps == (-5.0, -6.0)
    assert encoded.pairs[0].reference_weights == (0.5, 0.25, 0.25)
    changes = [
        {},
        COLUMNS,
        COLUMNS | {"chosen_reference_logps": [-5.0, -6.5]},
        COLUMNS | {"rejected_reference_logps": [-7.5, -8.0]},
        COLUMNS | {"reference_weights": [0.5, 0.5, 0.0]},
    ]
    assert len({encode_with(paths, change).hash for change in changes}) == len(changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chosen_reference_logps": None}, "are not one number a side"),
        ({"rejected_reference_logps": None}, "are not one number a side"),
        ({"chosen_reference_logps": [-1.0]}, "are not one number a side"),
        ({"chosen_reference_logps": [-1.0, math.nan]}, "finite and at most 0"),
        ({"rejected_reference_logps": [-math.inf, -1.0]}, "finite and at most 0"),
        ({"rejected_reference_logps": [-1.0, 5.0]}, "finite and at most 0"),
        ({"reference_weights": [0.5, 0.5]}, "are not 3 numbers"),
        ({"reference_weights": [0.5, 0.25, 0.5]}, "sum to 1"),
        ({"reference_weights": [1.5, -0.25, -0.25]}, "of 0 or more"),
        ({"reference_weights": [math.nan, 0.5, 0.5]}, "of 0 or more"),
    ],
)
def test_columns_that_make_no_sense_are_errors(paths, change, said):
    with pytest.raises(DataError, match=f"(?s){said}.*references of train.objective, or remove"):
        encode_with(paths, COLUMNS | change)


def test_pairs_of_one_run_have_columns_of_the_same_references(paths):
    fewer = {"chosen_reference_logps": [-1.0], "rejected_reference_logps": [-2.0]}
    with pytest.raises(
        DataError, match="some pairs have log-probs of 1 references and others of 2"
    ):
        encode_with(paths, COLUMNS, fewer)


# ------------------------------------------------------------------ training


def config_of(paths, root: Path, **options) -> TrainConfig:
    """20 pairs, 4 a step, 2 epochs: 10 steps."""
    return TrainConfig(
        objective=section_of(paths, **options),
        learning_rate=1e-3,
        per_device_train_batch_size=4,
        num_train_epochs=2,
        save_steps=5,
        reference_cache=str(root),
    )


def rows_of(run_dir: Path) -> list[dict]:
    return [row for _, row in read_rows(run_dir / "metrics.jsonl") if "loss" in row]


@pytest.mark.parametrize("combine", ["harmonic", "geometric", "multi_dpo"])
@pytest.mark.parametrize("model", [{}, {"use_peft": True, "lora_r": 4}], ids=["full", "adapter"])
def test_three_references_train_and_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    paths, tmp_path, combine, model
):
    root = tmp_path / "references"
    policy = load(paths[0], **model)
    pairs = annotate(paths, root, policy=policy).pairs
    config = config_of(paths, root, combine=combine)
    train(policy, pairs, config, run_dir=tmp_path / "whole", seed=0)
    stops = itertools.chain([False] * 4, itertools.repeat(True))
    for should_stop in (lambda: next(stops), None):
        train(
            load(paths[0], **model),
            pairs,
            config,
            run_dir=tmp_path / "halved",
            seed=0,
            should_stop=should_stop,
        )
    whole, halved = rows_of(tmp_path / "whole"), rows_of(tmp_path / "halved")
    assert [row["loss"] for row in halved] == [row["loss"] for row in whole]
    assert whole[0]["log_ratio/chosen"] == 0.0, "at the first step the policy is its own reference"
    assert abs(whole[0]["loss"] - math.log(2)) > 1e-3, "and the virtual reference is another"
    alphas = [whole[0][f"reference_weight/{k}"] for k in range(3)]
    assert sum(alphas) == pytest.approx(1.0, rel=1e-6)
    assert whole[-1]["rewards/margins"] > 0


def test_weights_by_validation_train(paths, tmp_path):
    policy = load(paths[0])
    options = {"weights": {"kind": "validation", "share": 0.2}}
    found = annotate(paths, tmp_path, policy=policy, **options)
    train(policy, found.pairs, config_of(paths, tmp_path, **options), run_dir=tmp_path, seed=0)
    [first, *_] = rows_of(tmp_path)
    assert [first[f"reference_weight/{k}"] for k in range(3)] == pytest.approx(
        found.reference_weights, rel=1e-6
    )


def test_other_columns_are_another_run(paths, tmp_path):
    pairs = annotate(paths, tmp_path).pairs
    config = config_of(paths, tmp_path)
    train(load(paths[0]), pairs, config, run_dir=tmp_path, seed=0, should_stop=lambda: True)
    changed = [
        pair.model_copy(update={"chosen_reference_logps": pair.rejected_reference_logps})
        for pair in pairs
    ]
    with pytest.raises(InputError, match="other settings, pairs or first weights"):
        train(load(paths[0]), changed, config, run_dir=tmp_path, seed=0)


def test_pairs_without_the_columns_are_refused_with_the_cure(paths, tmp_path):
    with pytest.raises(DataError, match=r"(?s)of 0 references, and 2 are named.*or choose dpo"):
        train(load(paths[0]), PAIRS, config_of(paths, tmp_path), run_dir=tmp_path, seed=0)
