"""A pairs file goes into TRL's DPOTrainer as it is: no column renamed, dropped or converted."""

import importlib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from model_fixtures import save_tiny_model  # noqa: E402

from codealign.interop import export_rows, read_preferences  # noqa: E402
from codealign.pairs import build_pairs  # noqa: E402
from codealign.records import (  # noqa: E402
    CheckTests,
    Completion,
    Pair,
    Problem,
    TestResult,
    Verdict,
    read_records,
    write_records,
)

ENTRY_POINTS = [f"f{number}" for number in range(8)]


def written_pairs(path, tokenizer) -> None:
    """Eight problems, a passing and a failing completion each, with the tokenizer's own ids."""
    problems, completions, verdicts = [], [], []
    for name in ENTRY_POINTS:
        prompt = f"def {name}(x):\n"
        problems.append(
            Problem(
                task_id=name,
                prompt=prompt,
                entry_point=name,
                tests=CheckTests(source="def check(candidate):\n    assert candidate(1) == 2\n"),
            )
        )
        for index, text in enumerate(["    return x + 1\n", f"    return x - {name[1:]}\n"]):
            completions.append(
                Completion(
                    task_id=name,
                    completion=text,
                    sample_index=index,
                    prompt_ids=tokenizer(prompt).input_ids,
                    completion_ids=[*tokenizer(text).input_ids, tokenizer.eos_token_id],
                    finish_reason="stop",
                    logprob=-3.5,
                )
            )
            failure = TestResult(name="1", outcome="failed", inputs="1", expected="2", actual="0")
            verdicts.append(
                Verdict(
                    task_id=name,
                    sample_index=index,
                    outcome="failed" if index else "passed",
                    passed=not index,
                    tests=[failure] if index else [],
                    program=prompt + text,
                )
            )
    write_records(path, build_pairs(problems, completions, verdicts).pairs)


@pytest.mark.filterwarnings("default")  # TRL's and its dependencies' own
def test_trl_trains_two_steps_on_a_pairs_file_as_written(tmp_path):
    import datasets
    import transformers
    from trl import DPOConfig, DPOTrainer

    torch.set_num_threads(1)
    model_dir = save_tiny_model(tmp_path / "model", "llama")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    path = tmp_path / "pairs.jsonl"
    written_pairs(path, tokenizer)
    dataset = datasets.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    pairs = list(read_records(Pair, path))
    assert len(pairs) == len(dataset) == len(ENTRY_POINTS)

    config = DPOConfig(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        max_steps=2,
        logging_steps=1,
        learning_rate=1e-3,
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = DPOTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(model_dir),
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    # TRL tokenises the text anew, under the very names that our ids have; the text is what must survive.
    for ours, theirs in zip(pairs, trainer.train_dataset, strict=True):
        chosen = tokenizer.decode(theirs["prompt_ids"] + theirs["chosen_ids"])
        rejected = tokenizer.decode(theirs["prompt_ids"] + theirs["rejected_ids"])
        assert chosen == ours.prompt + ours.chosen + tokenizer.eos_token
        assert rejected == ours.prompt + ours.rejected + tokenizer.eos_token
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert losses[0] == pytest.approx(0.693147, abs=1e-4)  # log 2 at the reference
    assert losses[1] < losses[0]
    assert any(
        not torch.equal(weight, before[name]) for name, weight in trainer.model.named_parameters()
    )


ON_TRLS_SIDE = [
    ("trl", "DPO"),
    ("trl-conversational", "DPO"),
    ("ultrafeedback", "DPO"),
    ("kto", "KTO"),
    ("kto-conversational", "KTO"),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "method"), ON_TRLS_SIDE)
def test_trl_tokenises_what_is_exported_to_the_texts_that_were_meant(tmp_path, name, method):
    import datasets
    import transformers
    import trl

    model_dir = save_tiny_model(tmp_path / "model", "llama", chat=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    written_pairs(tmp_path / "pairs.jsonl", tokenizer)
    pairs = list(read_records(Pair, tmp_path / "pairs.jsonl"))
    path = tmp_path / "exported.jsonl"
    write_records(path, export_rows(pairs, name))
    dataset = datasets.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    if name == "ultrafeedback":  # whose prompt is a text and in the sides as well
        dataset = dataset.map(trl.data_utils.maybe_extract_prompt)
    config = getattr(trl, f"{method}Config")(
        output_dir=str(tmp_path / "out"), report_to=[], use_cpu=True, bf16=False
    )
    trainer = getattr(trl, f"{method}Trainer")(
        model=transformers.AutoModelForCausalLM.from_pretrained(model_dir),
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
    )

    def meant(pair: Pair, completion: str) -> str:
        if name in ("trl", "kto"):
            return pair.prompt + completion + tokenizer.eos_token
        return f"[user]{pair.prompt}\n[assistant]{completion}\n"

    sides = [
        (pair, text, label)
        for pair in pairs
        for text, label in ((pair.chosen, True), (pair.rejected, False))
    ]
    read = [
        (tokenizer.decode(row["prompt_ids"] + row[f"{side}_ids"]), row.get("label", label))
        for row in trainer.train_dataset
        for side, label in (("completion", None), ("chosen", True), ("rejected", False))
        if f"{side}_ids" in row
    ]
    assert read == [(meant(pair, side), label) for pair, side, label in sides]


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("Add. a + b", "Add. b + a"),
        ("\n\nHuman: Hi\n\nAssistant: Hello", "\n\nHuman: Hi\n\nAssistant: Go"),
        ("ab", "abc"),
        ("abc d", "abc  d"),
    ],
)
def test_a_prompt_within_the_sides_is_cut_where_trl_cuts_it(tmp_path, chosen, rejected):
    from trl import extract_prompt

    row = {"chosen": chosen, "rejected": rejected}
    write_records(tmp_path / "p.jsonl", [row])
    (pair,) = read_preferences(tmp_path / "p.jsonl").pairs
    ours = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
    assert ours == extract_prompt(row)


def gradients_of(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("layout", ["trees", "token budget", "padded rows", "checkpointing"])
def test_twenty_steps_have_the_losses_and_gradients_of_trl(tmp_path, monkeypatch, layout):
    """Each side moves by its own gradients: what differs at step 1 would grow until step 20."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    training = importlib.import_module("training")
    from codealign.config import DPO, ModelConfig
    from codealign.logprobs import PLAIN
    from codealign.loop import PolicyLoss
    from codealign.objectives import build_objective
    from codealign.policy import load_policy
    from codealign.reference import ReferenceCache

    torch.set_num_threads(1)
    shape = training.Shape(num_layers=2, width=64, num_heads=4, vocabulary=600, num_pairs=4)
    training.write_model(shape, tmp_path / "model")
    batches = [training.draw(shape, shape.num_pairs, 1, seed) for seed in range(20)]
    trainer, step_inputs = training.trl_trainer(tmp_path / "model", "trl", batches)
    policy = load_policy(
        ModelConfig(
            model_name_or_path=str(tmp_path / "model"),
            dtype="float32",
            gradient_checkpointing=layout == "checkpointing",
        )
    )
    if layout == "padded rows":
        policy.log_probs.path = PLAIN

    def microbatches(batch):
        return training.microbatches(batch, 1, 900 if layout == "token budget" else None)

    cache = ReferenceCache(policy)
    for batch in batches:
        cache.fill(microbatches(batch))
    loss = PolicyLoss(policy, build_objective(DPO(beta=training.BETA)), cache)
    optimizers = [torch.optim.AdamW(m.parameters(), 1e-4) for m in (trainer.model, policy.model)]
    for batch in batches:
        theirs = float(trainer.training_step(trainer.model, step_inputs(batch), None))
        ours = 0.0
        policy.train_mode(True)
        for part in microbatches(batch):
            value = loss(part)
            (value.sum / 4).backward()
            ours += float(value.sum.detach()) / 4
        policy.train_mode(False)
        assert ours == pytest.approx(theirs, abs=1e-5)
        for name, gradient in gradients_of(trainer.model).items():
            off = (policy.model.get_parameter(name).grad - gradient).norm() / gradient.norm()
            # A key's bias moves all of a query's scores alike: its gradient is rounding and nothing else.
            assert off < 1e-4 or name.endswith("k_proj.bias"), name
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
