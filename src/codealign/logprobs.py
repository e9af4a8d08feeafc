"""A batch through the model: the log-probabilities of its completions' tokens, by the cheapest exact way.

Each prompt is computed once, however many completions it has, and each completion once, however many pairs it
is in: rows [prompt, completion 1 … completion K] follow one another without padding, positions restart at
the prompt's length for each completion, `attention` keeps completions apart. Only the positions that predict a
completion's token meet the output layer, in blocks (`head`).

Which way a model takes is found out once, by comparing with one plain padded forward on a few random tokens:

    split, flex, dense    trees, with the attention of that name
    plain                 a padded row per completion: always right, and said in the log with the reason

Not promised: the last bit. Two ways round differently, and so do two batches.

Axes: N completions, T tokens of a completion (padded), M completion tokens of all, S tokens of all rows,
L positions of a padded row, D hidden, V vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, cast

import peft
import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from codealign import head as heads
from codealign.attention import DENSE, FLEX, SPLIT, NotATree, Row, Rows, dense_mask
from codealign.batches import Batch, TokenIds, batch_completions
from codealign.errors import ModelError

logger = logging.getLogger(__name__)

PLAIN = "plain"
CHECK_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Largest difference (nats) from the plain path that is rounding; 0.05 in narrower types."""

for _name in (SPLIT, FLEX):
    # Outside trees (sampling, the plain path) the model goes on as with PyTorch's own attention.
    AttentionMaskInterface.register(_name, sdpa_mask)


class Target(NamedTuple):
    """Where the M completion tokens are: token m is column `column_M[m]` of completion `row_M[m]`."""

    row_M: Tensor
    column_M: Tensor
    ids_M: Tensor
    num_columns: int


class TreeLayout(NamedTuple):
    """A batch as flat rows; `source_M` is the position that predicts token m."""

    input_ids_S: Tensor
    positions_S: Tensor
    rows: Rows
    source_M: Tensor
    target: Target


class PaddedLayout(NamedTuple):
    """A batch as one padded row a completion; `source_M` is the column that predicts token m."""

    input_ids_NL: Tensor
    source_M: Tensor
    target: Target


def lay_out_tree(batch: Batch, device: torch.device) -> TreeLayout:
    """The last token of a completion is a target, never an input; a prompt's last token predicts the first."""
    ids: list[int] = []
    positions: list[int] = []
    rows: list[Row] = []
    starts_N = [0] * batch.num_completions
    last_prompt_N = [0] * batch.num_completions
    for prompt, members in zip(batch.prompts, _members(batch), strict=True):
        start = len(ids)
        ids += prompt
        positions += range(len(prompt))
        for n in members:
            starts_N[n], last_prompt_N[n] = len(ids), start + len(prompt) - 1
            inputs = batch.completions[n][:-1]
            ids += inputs
            positions += range(len(prompt), len(prompt) + len(inputs))
        branches = tuple(len(batch.completions[n]) - 1 for n in members)
        rows.append(Row(start, len(prompt), branches))
    target = _targets(batch.completions, device)
    start_M = torch.tensor(starts_N, device=device)[target.row_M]
    last_prompt_M = torch.tensor(last_prompt_N, device=device)[target.row_M]
    source_M = torch.where(target.column_M == 0, last_prompt_M, start_M + target.column_M - 1)
    return TreeLayout(
        torch.tensor(ids, device=device),
        torch.tensor(positions, device=device),
        tuple(rows),
        source_M,
        target,
    )


def _members(batch: Batch) -> list[list[int]]:
    """Completions of each prompt."""
    members: list[list[int]] = [[] for _ in batch.prompts]
    for n, k in enumerate(batch.prompt_of_N.tolist()):
        members[k].append(n)
    return members


def _targets(completions: Sequence[TokenIds], device: torch.device) -> Target:
    lengths = torch.tensor([len(completion) for completion in completions])
    num_columns = int(lengths.max())
    row_M, column_M = torch.nonzero(torch.arange(num_columns) < lengths[:, None], as_tuple=True)
    ids = torch.tensor([token for completion in completions for token in completion])
    return Target(row_M.to(device), column_M.to(device), ids.to(device), num_columns)


def lay_out_padded(rows: Sequence[tuple[TokenIds, TokenIds]], device: torch.device) -> PaddedLayout:
    inputs = [torch.tensor((*prompt, *completion[:-1])) for prompt, completion in rows]
    first_source = torch.tensor([len(prompt) - 1 for prompt, _ in rows], device=device)
    target = _targets([completion for _, completion in rows], device)
    return PaddedLayout(
        # The padding's id is never read by a token that counts; 0 is in every vocabulary.
        input_ids_NL=nn.utils.rnn.pad_sequence(inputs, batch_first=True).to(device),
        source_M=first_source[target.row_M] + target.column_M,
        target=target,
    )


class Spread(NamedTuple):
    """What takes the whole vocabulary, a block of it at a time: [N, T] nats, differentiable, 0 where padded."""

    logps_NT: Tensor
    entropies_NT: Tensor | None
    """Of the policy at each position: − Σ_v π_v log π_v."""
    collisions_NT: Tensor | None
    """log Σ_v π_v² at each position; a constant."""
    kls_NT: Tensor | None
    """KL(π ‖ π_ref) at each position, over the whole vocabulary, constant in the reference."""


class LogProbs:
    """What gives `Policy.token_logps`.

    Args:
        model: the transformers or PEFT model.
        name: of the model, for messages.
    """

    def __init__(self, model: transformers.PreTrainedModel | peft.PeftModel, name: str) -> None:
        self.model, self.name = model, name
        self.adds_gradients = False
        """While training in one process: gradients of embedding and output layer go straight to `.grad`."""
        self.kept_bytes = heads.KEPT_BYTES
        """Of logits, from forward to backward; the rest is computed again."""
        self.temperature = 1.0
        """What the log-probabilities are of: logits are divided by it first."""
        self._states: list[tuple[Tensor, Target]] | None = None
        self._window = shortest_window(model.config)
        self.path, self.reason = self._pick_path()
        if self.reason:
            logger.warning("%s: prompts are computed once per completion: %s", name, self.reason)

    def __call__(self, batch: Batch) -> Tensor:
        """[N, T] log-probabilities (nats), float32 at least, 0 where padded."""
        if self.path == PLAIN or self._outgrows_window(batch):
            return self._plain(batch)
        return self._tree(batch, self.path)

    def hidden(self, batch: Batch) -> tuple[Tensor, Target]:
        """[M, D] what the output layer is to see for each completion token, and which tokens those are."""
        if self.path != PLAIN and not self._outgrows_window(batch):
            return self._tree_hidden(batch, self.path)
        with self.states() as states:
            self._plain_logits(batch)
        return states[0]

    @contextmanager
    def states(self) -> Iterator[list[tuple[Tensor, Target]]]:
        """Inside, each forward leaves in the list what `hidden` returns."""
        self._states = []
        try:
            yield self._states
        finally:
            self._states = None

    def _seen(self, hidden_MD: Tensor, target: Target) -> None:
        if self._states is not None:
            self._states.append((hidden_MD, target))

    def spread(
        self, batch: Batch, reference: Callable[[], AbstractContextManager[None]] | None = None
    ) -> Spread:
        """Log-probabilities and entropies, and the KL to the model as it is inside `reference`."""
        if self.path == PLAIN or self._outgrows_window(batch):
            logits_MV, target = self._plain_logits(batch)
            other_MV = None
            if reference is not None:
                with torch.no_grad(), reference():
                    other_MV = heads.all_logps(self._plain_logits(batch)[0])
            found = heads.spread(heads.all_logps(logits_MV), target.ids_M, other_MV)
        else:
            other = None
            if reference is not None:
                with torch.no_grad(), reference():
                    other = self._tree_hidden(batch, self.path)[0], self._reference_head(reference)
            hidden_MD, target = self._tree_hidden(batch, self.path)
            found = heads.token_spread(hidden_MD, target.ids_M, self._any_head(), other)
        num = batch.num_completions
        return Spread(
            as_rows(found.logps_M, target, num),
            as_rows(found.entropies_M, target, num),
            as_rows(found.collisions_M, target, num),
            None if found.kls_M is None else as_rows(found.kls_M, target, num),
        )

    def _reference_head(
        self, reference: Callable[[], AbstractContextManager[None]]
    ) -> heads.AnyHead:
        """The output layer as it is inside `reference`, whenever it is called."""
        head = self._any_head()

        def layer(hidden_mD: Tensor) -> Tensor:
            with reference():
                return head.layer(hidden_mD)

        return head._replace(layer=layer)

    # ---------------------------------------------------------------- trees

    def _tree(self, batch: Batch, path: str) -> Tensor:
        hidden_MD, target = self._tree_hidden(batch, path)
        logps_M = self._token_logps(hidden_MD, target.ids_M)
        return as_rows(logps_M, target, batch.num_completions)

    def _tree_hidden(self, batch: Batch, path: str) -> tuple[Tensor, Target]:
        """[M, D]: what the output layer is to see for each completion token."""
        layout = lay_out_tree(batch, self.model.device)
        # A mask that is made already: transformers would take the restarting positions for packed texts.
        options: dict[str, Any] = {
            "attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.model.device)
        }
        if path == DENSE:
            options["attention_mask"] = dense_mask(layout.rows, self.model.dtype, self.model.device)
        else:
            options["tree_rows"] = layout.rows
        with self._hidden_states() as hidden:
            self.model(
                **self._inputs(layout.input_ids_S),
                position_ids=layout.positions_S[None],
                use_cache=False,
                **options,
            )
        [hidden_1SD] = hidden
        hidden_MD = hidden_1SD[0, layout.source_M]
        self._seen(hidden_MD, layout.target)
        return hidden_MD, layout.target

    def _inputs(self, ids_S: Tensor) -> dict[str, Tensor]:
        embedding = self.model.get_input_embeddings()
        if not self.adds_gradients or type(embedding) is not nn.Embedding:
            return {"input_ids": ids_S[None]}
        return {"inputs_embeds": heads.embed(ids_S[None], embedding.weight, embedding.padding_idx)}

    @contextmanager
    def _hidden_states(self) -> Iterator[list[Tensor]]:
        """Inside, a forward leaves what comes to the output layer in the list, and computes no logits."""
        caught: list[Tensor] = []

        def catch(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            caught.append(inputs[0])
            return (inputs[0][:, :0],)

        # A hook rather than a call of the backbone: whatever the model does before its output layer stays
        # the model's.
        hook = self._output_layer().register_forward_pre_hook(catch)
        try:
            yield caught
        finally:
            hook.remove()

    def _output_layer(self) -> nn.Module:
        layer = self.model.get_output_embeddings()
        if layer is None:
            raise ModelError(
                "the model has no output layer", where=self.name, cure="use a causal LM"
            )
        return layer

    def _token_logps(self, hidden_MD: Tensor, ids_M: Tensor) -> Tensor:
        layer, scaling = self._output_layer(), self._logit_scaling()
        if type(layer) is nn.Linear:
            head = heads.Head(
                layer.weight, layer.bias, *scaling, self.adds_gradients, self.kept_bytes
            )
            return heads.token_logps(hidden_MD, ids_M, head)
        # An adapter on the output layer, or a layer of the model's own: whatever it is, block by block.
        return heads.token_logps_of(hidden_MD, ids_M, self._any_head())

    def _any_head(self) -> heads.AnyHead:
        return heads.AnyHead(self._output_layer(), _vocabulary(self.model), *self._logit_scaling())

    def _logit_scaling(self) -> tuple[float, float | None]:
        """(factor, cap) of the logits at this temperature: cap·tanh(z / cap) / T has a cap of cap / T."""
        scale, cap = _logit_scaling(self.model)
        return scale / self.temperature, None if cap is None else cap / self.temperature

    # ---------------------------------------------------------------- plain rows

    def _plain(self, batch: Batch) -> Tensor:
        logits_MV, target = self._plain_logits(batch)
        logps_M = heads.all_logps(logits_MV).gather(1, target.ids_M[:, None])[:, 0]
        return as_rows(logps_M, target, batch.num_completions)

    def _plain_logits(self, batch: Batch) -> tuple[Tensor, Target]:
        layout = lay_out_padded(batch.rows(), self.model.device)

        def keep_sources(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            hidden_MD = inputs[0][layout.target.row_M, layout.source_M]
            self._seen(hidden_MD, layout.target)
            return (hidden_MD,)

        # Whatever the model does to its logits (scaling, capping) stays the model's.
        hook = self._output_layer().register_forward_pre_hook(keep_sources)
        try:
            # Rows are padded on the right, so a causal model needs no mask to ignore the padding.
            logits_MV = self.model(input_ids=layout.input_ids_NL, use_cache=False).logits
        finally:
            hook.remove()
        if logits_MV.ndim != 2 or len(logits_MV) != len(layout.source_M):
            raise ModelError(
                f"the output layer gave {tuple(logits_MV.shape)} for {len(layout.source_M)} positions",
                where=self.name,
                cure="this architecture post-processes whole rows; report it with the model's name",
            )
        if self.temperature != 1.0:
            logits_MV = logits_MV / self.temperature
        return logits_MV, layout.target

    # ---------------------------------------------------------------- which way

    def _pick_path(self) -> tuple[str, str]:
        """The path, and why it is plain when it is."""
        given = str(self.model.config._attn_implementation)
        if given == "eager":
            candidates: tuple[str, ...] = (DENSE,)
        elif given in ("sdpa", SPLIT, FLEX):
            candidates = (FLEX if self.model.device.type == "cuda" else SPLIT, DENSE)
        else:
            return PLAIN, f"attn_implementation is {given!r}; leave it out to share prompts"
        batch = _check_batch(self.model)
        with torch.no_grad():
            plain_NT = self._plain(batch)
        reason = ""
        for path in candidates:
            self._attend_by(given if path == DENSE else path)
            reason = self._difference(batch, path, plain_NT)
            if not reason:
                return path, ""
        return PLAIN, f"{candidates[-1]}: {reason}"

    def _difference(self, batch: Batch, path: str, plain_NT: Tensor) -> str:
        """What is wrong with a path; "" when it gives the plain log-probabilities."""
        try:
            with torch.no_grad():
                tree_NT = self._tree(batch, path)
        except (NotATree, TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            return str(error)
        off = float((tree_NT - plain_NT).abs().max())
        allowed = CHECK_TOLERANCE.get(self.model.dtype, 0.05)
        return "" if off <= allowed else f"log-probabilities differ by {off:.2g}"

    def _attend_by(self, implementation: str) -> None:
        model = (
            self.model.get_base_model() if isinstance(self.model, peft.PeftModel) else self.model
        )
        cast(transformers.PreTrainedModel, model).set_attn_implementation(implementation)

    def _outgrows_window(self, batch: Batch) -> bool:
        window = self._window
        return window is not None and any(
            len(prompt) + len(completion) > window for prompt, completion in batch.rows()
        )


def as_rows(logps_M: Tensor, target: Target, num_completions: int) -> Tensor:
    """[N, T] of what is known of each completion token, 0 where padded."""
    logps_NT = logps_M.new_zeros(num_completions, target.num_columns)
    return logps_NT.index_put((target.row_M, target.column_M), logps_M)


def _logit_scaling(model: Any) -> tuple[float, float | None]:
    """(factor, cap) that the model applies to its logits, by the names transformers' models use."""
    text = model.config.get_text_config(decoder=True)
    scale = getattr(text, "logit_scale", None) or 1.0
    scale /= getattr(text, "logits_scaling", None) or 1.0
    return float(scale), getattr(text, "final_logit_softcapping", None)


def _vocabulary(model: Any) -> int:
    return model.get_input_embeddings().num_embeddings


def _check_batch(model: Any) -> Batch:
    """Two prompts, one with completions of one, three and four tokens and one with a single one."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = _vocabulary(model)

    def draw(length: int) -> TokenIds:
        return tuple(torch.randint(vocabulary, (length,), generator=generator).tolist())

    long, short = draw(5), draw(1)
    texts = [(long, draw(1)), (long, draw(3)), (long, draw(4)), (short, draw(2))]
    return batch_completions(texts).to(model.device)


def shortest_window(config: Any) -> int | None:
    """Tokens of the shortest sliding or chunked window that any layer uses; None without one."""
    text = config.get_text_config(decoder=True)
    kinds = getattr(text, "layer_types", None) or []
    sliding = any("sliding" in kind or "chunked" in kind for kind in kinds)
    if kinds and not sliding:
        return None
    windows = [getattr(text, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((window for window in windows if window), default=None)
