"""The reference: computed once per program whatever else changes, kept on disk, never a second model."""

import contextlib
import gc
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
import torch
from full_disk import files_of_at_most
from model_fixtures import save_tiny_model, text_pairs

from codealign.batches import Batch, Outputs, batch_completions, batch_pairs
from codealign.config import (
    DPO,
    Backprop,
    ModelConfig,
    ReferenceConfig,
    RunConfig,
    TrainConfig,
    ZerothOrder,
    parse_config,
)
from codealign.errors import CodealignError, StorageError
from codealign.experience import encode_pairs
from codealign.pipeline import Run
from codealign.policy import Policy, load_policy
from codealign.progress import Progress
from codealign.records import Pair, read_rows
from codealign.reference import (
    PairText,
    ReferenceCache,
    other_reference_logps,
    others,
    reference_dir,
    store,
)
from codealign.reference.store import KEY_BYTES, LogpStore, prune
from codealign.rundir import RunDir
from codealign.training import train

WRITER = Path(__file__).with_name("reference_writer.py")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model"), "llama"))


@pytest.fixture
def forwards(monkeypatch) -> list[int]:
    """Completions of each forward as a reference, in order, by any policy."""
    counts: list[int] = []
    is_reference = False
    original, reference = Policy.token_logps, Policy.reference

    @contextlib.contextmanager
    def noted_reference(policy: Policy):
        nonlocal is_reference
        is_reference = True
        with reference(policy):
            yield
        is_reference = False

    def noted(policy: Policy, batch: Batch):
        if is_reference:
            counts.append(batch.num_completions)
        return original(policy, batch)

    monkeypatch.setattr(Policy, "reference", noted_reference)
    monkeypatch.setattr(Policy, "token_logps", noted)
    return counts


def load(path: str, **options) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=path, **options))


def make_batch(policy: Policy, count: int, start: int = 0) -> Batch:
    return batch_pairs(encode_pairs(policy, text_pairs(start + count)[start:], None).pairs)


def cache_of(policy: Policy, root: Path) -> ReferenceCache:
    return ReferenceCache(policy, root / policy.reference_hash())


def row_of(number: int) -> torch.Tensor:
    return torch.full((number % 7 + 1,), float(number))


def key_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


def add(kept: LogpStore, numbers) -> None:
    kept.add([key_of(i) for i in numbers], [row_of(i) for i in numbers])
    kept.save()


def assert_rows(kept: LogpStore, numbers) -> None:
    rows = kept.find([key_of(i) for i in numbers])
    for number, row in zip(numbers, rows, strict=True):
        assert row is not None, number
        assert torch.equal(row, row_of(number))


# ------------------------------------------------------------------ what is looked up


def test_a_program_is_computed_once_whatever_the_batch_the_order_and_the_pair(
    path, tmp_path, forwards
):
    policy = load(path)
    cache = ReferenceCache(policy, tmp_path / "kept")
    cache.fill([make_batch(policy, 4), make_batch(policy, 4), make_batch(policy, 2)])
    assert (forwards, len(cache)) == ([8], 8)
    first, *_, last = encode_pairs(policy, text_pairs(4), None).pairs
    crossed = batch_pairs([last, first._replace(rejected_ids=first.chosen_ids)])
    alone = batch_completions([(first.prompt_ids, first.rejected_ids)])
    again = ReferenceCache(policy, tmp_path / "kept")
    again.fill([crossed, alone])
    assert forwards == [8]
    for batch in (crossed, alone):
        wanted = policy.token_logps(batch).detach()
        torch.testing.assert_close(again.token_logps(batch), wanted, rtol=0, atol=1e-5)


def test_a_token_makes_another_program(path, tmp_path, forwards):
    policy = load(path)
    cache = ReferenceCache(policy, tmp_path)
    texts = [((5, 6), (7, 8)), ((5,), (6, 7, 8)), ((5, 6), (7, 9)), ((5, 4), (7, 8))]
    for text in texts:
        cache.fill([batch_completions([text])])
    assert (forwards, len(cache)) == ([1, 1, 1, 1], 4)


def test_the_first_log_ratio_is_exactly_zero(path):
    policy = load(path)
    cache, batch = ReferenceCache(policy), make_batch(policy, 8)
    cache.fill([batch])
    logps_NT = policy.token_logps(batch).detach()
    outputs = Outputs(logps_NT, cache.token_logps(batch), batch.lengths_N)
    assert outputs.log_ratios_N.tolist() == [0.0] * batch.num_completions


def test_rows_are_as_exact_as_the_model(path, tmp_path):
    policy = load(path)
    policy.model.double()
    batch = make_batch(policy, 2)
    cache_of(policy, tmp_path).fill([batch])
    rows_NT = cache_of(policy, tmp_path).token_logps(batch)
    assert rows_NT.dtype == torch.float64
    assert torch.equal(rows_NT, policy.token_logps(batch).detach())


def test_what_is_missing_is_computed_with_an_adapter_and_refused_without(path, tmp_path, forwards):
    adapter, full = load(path, use_peft=True), load(path)
    batch = make_batch(full, 2)
    with pytest.raises(CodealignError, match="4 completions were not computed before training"):
        cache_of(full, tmp_path).token_logps(batch)
    cache = cache_of(adapter, tmp_path)
    assert torch.equal(cache.token_logps(batch), full.token_logps(batch).detach())
    cache.token_logps(batch)
    assert forwards == [4]


def test_sharded_models_meet_at_every_batch_that_any_process_misses(path, forwards):
    policy = load(path)
    cache, batch = ReferenceCache(policy), make_batch(policy, 2)
    asked: list[bool] = []
    cache.fill([batch], any_process=lambda missing: asked.append(missing) or missing)
    cache.fill([batch], any_process=lambda missing: asked.append(missing) or True)
    assert (asked, forwards) == ([True, False], [4, 4])


# ------------------------------------------------------------------ after any change

SETTINGS = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 4,
    "num_train_epochs": 2,
    "save_steps": 5,
}


def run(path: str, root: Path, run_dir: Path, pairs=None, *, seed=0, model=None, **options) -> None:
    config = TrainConfig(**{**SETTINGS, "reference_cache": str(root), **options})
    policy = load(path, **(model or {}))
    train(policy, pairs or text_pairs(20), config, run_dir=run_dir, seed=seed)


def losses_of(run_dir: Path) -> list[float]:
    return [row["loss"] for _, row in read_rows(run_dir / "metrics.jsonl")]


def crossed_pairs() -> list[Pair]:
    """Every second pair with its sides exchanged, one program in two pairs, and some pairs left out."""
    pairs = [
        pair.model_copy(update={"chosen": pair.rejected, "rejected": pair.chosen})
        for pair in text_pairs(20)[::2]
    ]
    return [*pairs, pairs[0].model_copy(update={"weight": 2.0}), text_pairs(20)[1]]


CHANGES = {
    "beta": {"objective": DPO(beta=0.5)},
    "learning rate": {"learning_rate": 1e-5},
    "update": {"update": ZerothOrder(), "learning_rate": 1e-6},
    "optimiser": {"update": Backprop(weight_decay=0.1)},
    "batch size": {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2},
    "length": {"max_length": 200},
    "order": {"seed": 1},
    "pairs": {"pairs": crossed_pairs()},
    "adapter": {"model": {"use_peft": True, "lora_r": 4}},
    "dropout": {"model": {"use_peft": True, "lora_r": 8, "lora_dropout": 0.1}},
    "checkpointing": {"model": {"gradient_checkpointing": True}},
}


@pytest.fixture(scope="module")
def filled(path, tmp_path_factory) -> Path:
    """The references after one run."""
    root = tmp_path_factory.mktemp("references")
    run(path, root, tmp_path_factory.mktemp("first"))
    return root


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_computes_nothing_again(path, filled, tmp_path, forwards, change):
    run(path, filled, tmp_path, **CHANGES[change])
    assert forwards == []
    assert len([path for path in filled.iterdir() if path.is_dir()]) == 1


def test_the_first_run_fills_before_its_first_step(path, tmp_path, forwards):
    """So that the test above would see a run that does not look anything up: 20 pairs, 40 programs."""
    run(path, tmp_path / "kept", tmp_path)
    assert sum(forwards) == 40


def turn(policy: Policy) -> None:
    policy.model.config.rope_parameters["rope_theta"] = 5000.0


def nudge(policy: Policy) -> None:
    with torch.no_grad():
        next(iter(policy.model.parameters()))[0, 0] += 1e-3


def nudge_base(policy: Policy) -> None:
    with torch.no_grad():
        policy.model.get_base_model().lm_head.base_layer.weight[0, 0] += 1e-3


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({}, nudge),
        ({}, turn),
        ({}, lambda policy: policy.model.double()),
        ({}, lambda policy: policy.model.bfloat16()),
        ({"use_peft": True, "lora_target_modules": ["lm_head"]}, nudge_base),
    ],
    ids=["one weight", "rotary angle", "float64", "bfloat16", "the adapter's base"],
)
def test_another_reference_has_another_name(path, options, change):
    policy = load(path, **options)
    before = policy.reference_hash()
    assert before == load(path).reference_hash()
    change(policy)
    assert policy.reference_hash() != before


def test_the_name_is_the_same_for_any_number_of_threads_and_way_of_attention(path):
    names = {load(path, attn_implementation=way).reference_hash() for way in (None, "eager")}
    torch.set_num_threads(3)
    try:
        names.add(load(path).reference_hash())
    finally:
        torch.set_num_threads(1)
    assert len(names) == 1


def test_a_resumed_run_without_its_cache_has_the_first_weights_as_reference(
    path, tmp_path, forwards
):
    """Stopped at 5 of 10 steps; the cache is gone when it goes on, and nothing is different."""
    run(path, tmp_path / "a", tmp_path / "whole")
    config = TrainConfig(**SETTINGS, reference_cache=str(tmp_path / "b"))
    stops = itertools.chain([False] * 4, itertools.repeat(True))
    for reference_cache in ("b", "c"):
        config = config.model_copy(update={"reference_cache": str(tmp_path / reference_cache)})
        train(
            load(path),
            text_pairs(20),
            config,
            run_dir=tmp_path / "halved",
            seed=0,
            should_stop=(lambda: next(stops)) if reference_cache == "b" else None,
        )
    assert sum(forwards) == 3 * 40
    assert losses_of(tmp_path / "halved") == losses_of(tmp_path / "whole")


def test_a_run_keeps_its_reference_in_the_users_cache(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run(path, reference_dir(), tmp_path / "run", reference_cache=None)
    kept = tmp_path / "cache" / "codealign" / "reference" / load(path).reference_hash()
    assert len(list(kept.glob("*.safetensors"))) == 1
    assert not list((tmp_path / "run").glob("reference*"))


def test_another_place_for_the_reference_is_no_reason_to_train_again(tmp_path):
    keys = []
    for place in (None, str(tmp_path)):
        settings = {"problems": {"num_train": 2}, "train": {"reference_cache": place}}
        config = parse_config(RunConfig, settings)
        keys.append(Run(config, RunDir(tmp_path), Progress(quiet=True)).keys)
    assert keys[0] == keys[1]


# ------------------------------------------------------------------ several processes, and a kill


def start_writer(directory: Path, first: int) -> subprocess.Popen[str]:
    words = [sys.executable, str(WRITER), str(directory), str(first), "5"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_at_once_and_a_killed_one_loses_its_last_shard_only(tmp_path):
    directory = tmp_path / ("0" * 32)
    mine = LogpStore(directory)
    with start_writer(directory, first=1000) as writer:
        safe = [int(next(writer.stdout)) for _ in range(50)]
        add(mine, range(100))  # this process writes while the other one does
        assert_rows(mine, range(100))
        assert_rows(mine, safe)
        del mine
        gc.collect()
        prune(tmp_path, max_bytes=0)
        assert directory.exists(), "pruned, while another process had it open"
        writer.send_signal(signal.SIGKILL)
        safe += [int(line) for line in writer.stdout]
    again = LogpStore(directory)
    assert_rows(again, [*range(100), *safe])
    assert len(again) - 100 - len(safe) in (0, 5)  # killed between saving and saying
    del again
    gc.collect()
    prune(tmp_path, max_bytes=0)
    assert not directory.exists()


def test_a_fill_that_was_killed_goes_on_where_it_was(path, tmp_path, monkeypatch):
    """Eight programs, killed in the fourth; two are in a shard, one was not yet written."""
    monkeypatch.setattr(store, "ROWS_PER_SHARD", 2)
    policy = load(path)
    batches = [batch_completions([text]) for text in make_batch(policy, 4).rows()]
    computed = []
    original = policy.token_logps

    def killed(batch: Batch):
        if len(computed) == 3:
            raise KeyboardInterrupt
        computed.append(batch)
        return original(batch)

    monkeypatch.setattr(policy, "token_logps", killed)
    with pytest.raises(KeyboardInterrupt):
        ReferenceCache(policy, tmp_path).fill(batches)
    again = ReferenceCache(policy, tmp_path)
    assert len(again) == 2
    monkeypatch.setattr(policy, "token_logps", lambda b: computed.append(b) or original(b))
    again.fill(batches)
    assert len(computed) == 3 + 6


def test_shards_are_written_every_minute_however_slow_the_model(path, tmp_path, monkeypatch):
    clock = itertools.count(step=61.0)
    monkeypatch.setattr(store.time, "monotonic", lambda: next(clock))
    slow = LogpStore(tmp_path)
    for i in range(3):
        slow.add([key_of(i)], [row_of(i)])
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_half_a_shard_of_a_killed_process_goes_and_that_of_a_working_one_stays(tmp_path):
    for name, age_s in (("killed", 2 * store.SECONDS_TO_WRITE), ("working", 1.0)):
        half = tmp_path / f"{name}.partial"
        half.write_bytes(b"half")
        written = half.stat().st_mtime - age_s
        os.utime(half, (written, written))
    assert len(LogpStore(tmp_path)) == 0
    assert [half.stem for half in tmp_path.glob("*.partial")] == ["working"]


def test_opening_and_pruning_at_once_loses_no_store_that_is_open(tmp_path):
    """Each opener finds what it writes, however often the store is pruned away under its feet."""
    directory = tmp_path / ("1" * 32)
    done = threading.Event()

    def prune_always() -> None:
        while not done.is_set():
            prune(tmp_path, max_bytes=0)

    pruner = threading.Thread(target=prune_always)
    pruner.start()
    try:
        for number in range(100):
            opened = LogpStore(directory)
            add(opened, [number])
            assert_rows(LogpStore(directory), [number])
            del opened
    finally:
        done.set()
        pruner.join()


# ------------------------------------------------------------------ the disk


def test_a_full_disk_says_what_to_do_and_loses_nothing(path, tmp_path, forwards):
    policy = load(path)
    batch, more = make_batch(policy, 2), make_batch(policy, 4)
    cache = ReferenceCache(policy, tmp_path)
    cache.fill([batch])
    with files_of_at_most(100), pytest.raises(StorageError, match=r"train\.reference_cache=DIR"):
        cache.fill([more])
    assert list(tmp_path.glob("*.partial")) == []
    assert len(ReferenceCache(policy, tmp_path)) == 4
    cache.fill([more])  # there is room again: what was computed is written now
    assert forwards == [4, 8]
    assert len(ReferenceCache(policy, tmp_path)) == 8


def test_a_place_that_cant_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"train\.reference_cache=DIR"):
        LogpStore(tmp_path / "file" / "kept")


def cut_short(shard: Path) -> None:
    os.truncate(shard, shard.stat().st_size - 8)


def flip_a_bit(shard: Path) -> None:
    """In the last value; the keys of four programs come after it."""
    content = bytearray(shard.read_bytes())
    content[-4 * KEY_BYTES - 3] ^= 1
    shard.write_bytes(content)


def fill_with_text(shard: Path) -> None:
    shard.write_text("no shard at all")


def empty(shard: Path) -> None:
    shard.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, fill_with_text, empty])
def test_a_damaged_shard_is_said_deleted_and_computed_again(
    path, tmp_path, forwards, caplog, damage
):
    policy = load(path)
    good, bad = make_batch(policy, 2), make_batch(policy, 2, start=2)
    ReferenceCache(policy, tmp_path).fill([good])
    [kept] = tmp_path.glob("*.safetensors")
    ReferenceCache(policy, tmp_path).fill([bad])
    [shard] = set(tmp_path.glob("*.safetensors")) - {kept}
    damage(shard)
    with caplog.at_level(logging.WARNING):
        again = ReferenceCache(policy, tmp_path)
        again.fill([good, bad])
    assert f"{shard.name}: damaged, deleted and computed again" in caplog.text
    assert not shard.exists()
    assert forwards == [4, 4, 4]
    for batch in (good, bad):
        assert torch.equal(again.token_logps(batch), policy.token_logps(batch).detach())
    assert len(ReferenceCache(policy, tmp_path)) == 8


def test_the_reference_that_was_opened_longest_ago_goes_first(tmp_path):
    for number, name in enumerate("abcd"):
        add(LogpStore(tmp_path / (name * 32)), range(100))
        os.utime(tmp_path / f"{name * 32}.in_use", (number, number))
    size = sum(file.stat().st_size for file in (tmp_path / ("a" * 32)).iterdir())
    LogpStore(tmp_path / ("a" * 32))  # used again, and closed
    held = LogpStore(tmp_path / ("b" * 32))
    os.utime(tmp_path / f"{'b' * 32}.in_use", (0, 0))
    (tmp_path / "notes").mkdir()
    (tmp_path / ("e" * 32)).mkdir()  # named like one, but none
    gc.collect()
    prune(tmp_path, max_bytes=3 * size)
    assert {path.name[0] for path in tmp_path.iterdir() if path.is_dir()} == {
        "a",
        "b",
        "d",
        "n",
        "e",
    }
    prune(tmp_path, max_bytes=0)
    assert {path.name[0] for path in tmp_path.iterdir() if path.is_dir()} == {"b", "n", "e"}
    assert_rows(held, range(100))


def test_a_fill_keeps_all_references_within_the_limit(path, tmp_path, monkeypatch):
    old = tmp_path / ("0" * 32)
    add(LogpStore(old), range(100))
    gc.collect()
    monkeypatch.setattr(store.prune, "__defaults__", (1000,))
    policy = load(path)
    cache = cache_of(policy, tmp_path)
    cache.fill([make_batch(policy, 2)])
    assert not old.exists()
    assert len(cache_of(policy, tmp_path)) == 4


def own_bytes() -> int:
    """Resident memory of this process without pages of files, which the kernel takes back as it likes."""
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_values_stay_on_disk_however_many_are_looked_up(tmp_path):
    """80 MB of values in 100,000 rows, all of them read; in memory is the index, 3.6 MB."""
    values = torch.arange(20_000 * 200, dtype=torch.float32).reshape(-1, 200)
    writing = LogpStore(tmp_path / "kept")
    for shard in range(5):
        keys = [key_of(shard * 20_000 + i) for i in range(20_000)]
        writing.add(keys, list(values + shard))
        writing.save()
    del writing, keys
    gc.collect()
    before = own_bytes()
    reading = LogpStore(tmp_path / "kept")
    for number in range(100_000):
        [row] = reading.find([key_of(number)])
        assert row[0] == number % 20_000 * 200 + number // 20_000
    assert own_bytes() - before < 15e6


# ------------------------------------------------------------------ other models

TEXTS = [PairText(pair.prompt, pair.chosen, pair.rejected) for pair in text_pairs(4)]


@pytest.fixture(scope="module")
def other_path(tmp_path_factory) -> str:
    """Another architecture, other weights, and a tokenizer that cuts the same text into more tokens."""
    directory = tmp_path_factory.mktemp("other")
    return str(save_tiny_model(directory, "qwen2", seed=1, chat=True, vocab_size=270))


def bits(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in policy.model.state_dict().items()}


def assert_bits(policy: Policy, before: dict[str, torch.Tensor]) -> None:
    for name, tensor in policy.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def plain_logp(model_path: str, prompt: str, completion: str, *, ended: bool = True) -> float:
    """log π of a completion by transformers alone: its own tokenizer and template, one row, a whole softmax."""
    policy = load(model_path)
    prompt_ids, completion_ids, _ = policy.encode_pair_text(prompt, completion)
    completion_ids = completion_ids if ended else completion_ids[:-1]
    ids = torch.tensor([prompt_ids + completion_ids])
    logps_LV = policy.model(ids).logits[0].log_softmax(-1)
    start = len(prompt_ids) - 1
    return sum(logps_LV[start + t, each].item() for t, each in enumerate(completion_ids))


def test_another_model_reads_the_text_with_its_own_tokenizer_and_template(
    path, other_path, tmp_path
):
    ours, theirs = load(path), load(other_path)
    for text in TEXTS:
        assert ours.encode_prompt(text.prompt) != theirs.encode_prompt(text.prompt)
    model = ReferenceConfig(model_name_or_path=other_path)
    found = other_reference_logps(model, TEXTS, ours, tmp_path, max_tokens=150)
    for text, logps in zip(TEXTS, found, strict=True):
        wanted = [plain_logp(other_path, text.prompt, s) for s in (text.chosen, text.rejected)]
        assert logps == pytest.approx(tuple(wanted), abs=1e-4)
    plain = ReferenceConfig(model_name_or_path=other_path, chat_template="never")
    without = other_reference_logps(plain, TEXTS, ours, tmp_path)
    assert all(abs(a.chosen - b.chosen) > 0.1 for a, b in zip(found, without, strict=True))


def test_a_side_that_was_cut_gets_no_end(other_path, tmp_path):
    text = TEXTS[0]._replace(rejected_ended=False)
    model = ReferenceConfig(model_name_or_path=other_path)
    [found] = other_reference_logps(model, [text], None, tmp_path)
    assert found == pytest.approx(
        (
            plain_logp(other_path, text.prompt, text.chosen),
            plain_logp(other_path, text.prompt, text.rejected, ended=False),
        ),
        abs=1e-4,
    )


def test_what_another_model_said_is_never_computed_again(path, other_path, tmp_path, forwards):
    model = ReferenceConfig(model_name_or_path=other_path)
    first = other_reference_logps(model, TEXTS, None, tmp_path)
    assert forwards == [8]
    again = other_reference_logps(model, TEXTS[::-1], load(path), tmp_path, max_tokens=1)
    assert again == first[::-1]
    assert forwards == [8]


@pytest.mark.parametrize("max_tokens", [1, 150, 10**6])
def test_a_forward_has_as_many_tokens_as_it_may(other_path, tmp_path, monkeypatch, max_tokens):
    seen = []
    original = Policy.token_logps
    monkeypatch.setattr(
        Policy, "token_logps", lambda policy, batch: seen.append(batch) or original(policy, batch)
    )
    model = ReferenceConfig(model_name_or_path=other_path)
    other_reference_logps(model, TEXTS, None, tmp_path, max_tokens=max_tokens)
    assert sum(batch.num_pairs for batch in seen) == len(TEXTS)
    for batch in seen:
        num_tokens = sum(map(len, batch.prompts)) + sum(map(len, batch.completions))
        assert batch.num_pairs == 1 or num_tokens <= max_tokens
    assert len(seen) == {1: 4, 150: 2, 10**6: 1}[max_tokens]


def test_what_does_not_fit_another_model_s_window_is_none(other_path, tmp_path):
    """Its window is 256 tokens, and a character is a token or less."""
    texts = [
        PairText("", "a", "b"),
        PairText("x" * 3, "y~" * 200, "z"),
        PairText("x", "", "z", False),
    ]
    model = ReferenceConfig(model_name_or_path=other_path, chat_template="never")
    found = other_reference_logps(model, [*texts, TEXTS[0]], None, tmp_path)
    assert [each is None for each in found] == [True, True, True, False]


@pytest.mark.parametrize("options", [{}, {"use_peft": True}], ids=["full", "adapter"])
def test_never_two_models_in_memory_and_the_policy_has_its_weights_again(
    path, other_path, tmp_path, monkeypatch, options
):
    policy = load(path, **options)
    before = bits(policy)
    models = []

    def load_alone(config: ModelConfig, **options):
        assert sum(p.numel() for p in policy.model.parameters()) == 0
        loaded = load_policy(config, **options)
        models.append(weakref.ref(loaded.model))
        return loaded

    monkeypatch.setattr(others, "load_policy", load_alone)
    restored = torch.load

    def restore_alone(*args, **options):
        assert [model() for model in models] == [None] * len(models)
        return restored(*args, **options)

    monkeypatch.setattr(others.torch, "load", restore_alone)
    model = ReferenceConfig(model_name_or_path=other_path)
    other_reference_logps(model, TEXTS, policy, tmp_path)
    assert len(models) == 1
    assert_bits(policy, before)


def test_the_policy_has_its_weights_again_whatever_happens(path, other_path, tmp_path, monkeypatch):
    policy = load(path)
    before = bits(policy)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(others, "summed_logps", killed)
    model = ReferenceConfig(model_name_or_path=other_path)
    with pytest.raises(KeyboardInterrupt):
        other_reference_logps(model, TEXTS, policy, tmp_path)
    assert_bits(policy, before)


def test_no_room_for_the_weights_is_said_before_anything_is_lost(path, other_path, tmp_path):
    policy = load(path)
    before = bits(policy)
    model = ReferenceConfig(model_name_or_path=other_path)
    with files_of_at_most(1000), pytest.raises(StorageError, match="no room for the policy's"):
        other_reference_logps(model, TEXTS, policy, tmp_path)
    assert_bits(policy, before)
    assert list(tmp_path.iterdir()) == []
