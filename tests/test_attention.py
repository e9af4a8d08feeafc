"""Attention in parts equals attention with a mask; log-probs in blocks equal those of whole logits."""

import pytest
import torch
import transformers
from model_fixtures import make_model
from torch.nn.functional import scaled_dot_product_attention

from codealign import attention, head
from codealign.attention import Row, dense_mask
from codealign.batches import batch_completions
from codealign.logprobs import PLAIN, LogProbs, lay_out_tree

ROWS = (Row(0, 7, (3, 0, 5)), Row(15, 1, (2,)), Row(18, 4, ()), Row(22, 6, (0,)))
NUM_TOKENS = 28


def test_who_sees_whom():
    """Prompt ab with completions c, de: each sees the prompt and itself, causally, and nothing else."""
    seen = dense_mask((Row(0, 2, (1, 2)),), torch.float32, "cpu")[0, 0] == 0
    # fmt: off
    assert seen.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 0, 1, 1],
    ]
    # fmt: on


def test_a_batch_is_laid_out_with_positions_that_restart():
    batch = batch_completions([((5, 6, 7), (8, 9, 0)), ((5, 6, 7), (4, 0)), ((3,), (2,))])
    layout = lay_out_tree(batch, torch.device("cpu"))
    # The last token of a completion is a target only.
    assert layout.input_ids_S.tolist() == [5, 6, 7, 8, 9, 4, 3]
    assert layout.positions_S.tolist() == [0, 1, 2, 3, 4, 3, 0]
    assert layout.rows == (Row(0, 3, (2, 1)), Row(6, 1, (0,)))
    # Both first tokens come from the prompt's last place.
    assert layout.source_M.tolist() == [2, 3, 4, 2, 5, 6]
    assert layout.target.ids_M.tolist() == [8, 9, 0, 4, 0, 2]


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_parts_merged_equal_one_masked_attention_and_so_do_gradients(dtype, atol):
    torch.manual_seed(0)
    qkv = [torch.randn(1, 4, NUM_TOKENS, 16, dtype=dtype, requires_grad=True) for _ in range(3)]
    weights = torch.randn(1, 4, NUM_TOKENS, 16, dtype=dtype)
    merged = attention._Split.apply(*qkv, ROWS, 0.25)
    masked = scaled_dot_product_attention(
        *qkv, attn_mask=dense_mask(ROWS, dtype, "cpu"), scale=0.25
    )
    torch.testing.assert_close(merged, masked, rtol=0, atol=atol)
    for ours, theirs in zip(
        torch.autograd.grad(merged, qkv, weights),
        torch.autograd.grad(masked, qkv, weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=10 * atol)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_block_mask_is_the_dense_one():
    qkv = [torch.randn(1, 2, NUM_TOKENS, 16) for _ in range(3)]
    module = torch.nn.Module()
    flexed, _ = attention.flex_attention(module, *qkv, None, scaling=0.25, tree_rows=ROWS)
    masked = scaled_dot_product_attention(
        *qkv, attn_mask=dense_mask(ROWS, torch.float32, "cpu"), scale=0.25
    )
    torch.testing.assert_close(flexed.transpose(1, 2), masked, rtol=0, atol=1e-5)


def test_a_number_that_is_none_is_not_hidden_by_the_kernel():
    qkv = [torch.randn(1, 2, NUM_TOKENS, 8) for _ in range(3)]
    qkv[0][0, 0, 3, 1] = torch.nan
    assert attention._Split.apply(*qkv, ROWS, 0.25).isnan().all()


@pytest.mark.parametrize("reason", ["softcap", "s_aux", "sliding_window"])
def test_attention_that_is_more_than_softmax_is_refused(reason):
    qkv = [torch.randn(1, 2, NUM_TOKENS, 8) for _ in range(3)]
    with pytest.raises(attention.NotATree, match="its"):
        attention.split_attention(torch.nn.Module(), *qkv, None, tree_rows=ROWS, **{reason: 3})


# ------------------------------------------------------------------ the output layer


@pytest.mark.parametrize("cap", [None, 5.0])
@pytest.mark.parametrize("kept_bytes", [0, 10**9])
@pytest.mark.parametrize("in_place", [True, False])
def test_blocks_give_the_log_probs_and_gradients_of_whole_logits(
    cap, kept_bytes, in_place, monkeypatch
):
    torch.manual_seed(0)
    monkeypatch.setattr(head, "BLOCK_BYTES", 300 * 8 * 7)  # seven tokens of 300 float64 logits
    hidden = torch.randn(50, 32, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(300, 32, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(300, dtype=torch.float64, requires_grad=True)
    targets, factors = torch.randint(300, (50,)), torch.randn(50, dtype=torch.float64)
    logps = head.token_logps(
        hidden, targets, head.Head(weight, bias, 0.7, cap, in_place, kept_bytes)
    )
    (logps * factors).sum().backward()
    ours = [tensor.grad for tensor in (hidden, weight, bias)]
    for tensor in (hidden, weight, bias):
        tensor.grad = None
    logits = (hidden @ weight.T + bias) * 0.7
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    plain = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(logps, plain, rtol=0, atol=1e-12)
    (plain * factors).sum().backward()
    for mine, tensor in zip(ours, (hidden, weight, bias), strict=True):
        torch.testing.assert_close(mine, tensor.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cap", [None, 5.0])
def test_a_layer_that_is_not_trained_keeps_nothing(cap, monkeypatch):
    """LoRA: the forward has multiplied already, and a token's gradient is that times its factor."""
    torch.manual_seed(0)
    monkeypatch.setattr(head, "BLOCK_BYTES", 300 * 8 * 7)
    hidden = torch.randn(50, 32, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(300, 32, dtype=torch.float64)
    targets, factors = torch.randint(300, (50,)), torch.randn(50, dtype=torch.float64)
    logps = head.token_logps(hidden, targets, head.Head(weight, None, 0.7, cap))
    assert logps.grad_fn.kept == []
    (logps * factors).sum().backward()
    ours, hidden.grad = hidden.grad, None
    logits = hidden @ weight.T * 0.7
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    plain = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(logps, plain, rtol=0, atol=1e-12)
    (plain * factors).sum().backward()
    torch.testing.assert_close(ours, hidden.grad, rtol=0, atol=1e-12)


def test_bfloat16_rounds_the_products_and_nothing_else():
    """Its gradients are as good as a float32 softmax over bfloat16 logits makes them."""
    torch.manual_seed(0)
    exact = torch.randn(40, 64), torch.randn(500, 64)
    targets, factors = torch.randint(500, (40,)), torch.randn(40)

    def gradients(dtype, logps_of):
        hidden, weight = (t.to(dtype, copy=True).requires_grad_() for t in exact)
        (logps_of(hidden, weight) * factors).sum().backward()
        return torch.cat([hidden.grad.float().flatten(), weight.grad.float().flatten()])

    def plain(hidden, weight):
        logps = (hidden @ weight.T).float().log_softmax(-1)
        return logps.gather(1, targets[:, None])[:, 0]

    def ours(hidden, weight):
        return head.token_logps(hidden, targets, head.Head(weight, None, in_place=False))

    wanted = gradients(torch.float32, plain)
    off = [
        (gradients(torch.bfloat16, way) - wanted).norm() / wanted.norm() for way in (ours, plain)
    ]
    assert off[0] < 1.05 * off[1]
    assert off[1] < 0.05


def test_gradients_of_a_tied_layer_add_up_in_one_place():
    weight = torch.randn(20, 4, requires_grad=True)
    ids = torch.tensor([3, 3, 7])
    rows = head.embed(ids, weight, 7)
    rows.sum().backward()
    head.token_logps(
        torch.randn(2, 4), torch.tensor([1, 2]), head.Head(weight, None)
    ).sum().backward()
    # Row 3 was looked up twice; row 7 is the padding's and gets nothing from the embedding.
    embedding = torch.zeros(20, 4)
    embedding[3] = 2
    output_only = weight.grad - embedding
    assert weight.grad.shape == (20, 4)
    torch.testing.assert_close(output_only.sum(0), torch.zeros(4), rtol=0, atol=1e-5)


# ------------------------------------------------------------------ which way a model takes


@pytest.mark.parametrize(
    ("architecture", "path"),
    [("llama", attention.SPLIT), ("qwen2", attention.SPLIT), ("gpt2", attention.SPLIT)],
)
def test_models_take_trees(architecture, path):
    probabilities = LogProbs(make_model(architecture).eval(), architecture)
    assert (probabilities.path, probabilities.reason) == (path, "")


def test_a_window_in_reach_takes_plain_rows():
    config = transformers.MistralConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=12,
    )
    model = transformers.MistralForCausalLM(config).eval()
    probabilities = LogProbs(model, "mistral")
    assert probabilities.path == attention.SPLIT
    prompt = tuple(range(1, 11))
    within = batch_completions([(prompt, (3, 4)), (prompt, (5,))])
    beyond = batch_completions([(prompt, (3, 4, 5, 6, 7)), (prompt, (5,))])
    assert not probabilities._outgrows_window(within)
    assert probabilities._outgrows_window(beyond)
    torch.testing.assert_close(probabilities(beyond), probabilities._plain(beyond), rtol=0, atol=0)


def test_a_model_that_trees_do_not_fit_takes_plain_rows_and_says_why(caplog):
    config = transformers.BloomConfig(vocab_size=50, hidden_size=16, n_layer=1, n_head=2)
    probabilities = LogProbs(transformers.BloomForCausalLM(config).eval(), "bloom")
    assert probabilities.path == PLAIN
    assert "bloom: prompts are computed once per completion: " in caplog.text
