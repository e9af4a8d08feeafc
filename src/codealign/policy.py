"""The policy: a causal language model with its tokenizer, and the log-probabilities it gives.

Promises:

- `token_logps` sends completion positions alone through the LM head, whatever the architecture, and
  sums in float32 at least, whatever the weights' type.
- Policy and reference take the same path in the same type, so that the first log-ratio is exactly 0.
- Dropout is off, always: with it the policy would differ from its own reference at step 0. The one
  exception is `lora_dropout`, off by default and active only while training.
- Token ids that a sampler gave are used as they are. Text is tokenised at a checked boundary.
- What `save` writes loads in plain transformers (`AutoModelForCausalLM`) or PEFT.

Not promised: that text which was decoded and encoded again gives the ids that were sampled. That is
why ids travel from the sampler to the loss.

Axes: N completions, L positions of a padded row, M completion tokens of all rows (no padding),
T completion tokens of a row (padded), V vocabulary.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import peft
import torch
import transformers
from accelerate import PartialState
from accelerate.utils import disable_fsdp_ram_efficient_loading
from jinja2 import TemplateError
from safetensors import SafetensorError
from torch import Tensor, nn

from codealign import sharding
from codealign.batches import Batch
from codealign.config import KATA_POLICY, ModelConfig
from codealign.errors import ConfigError, DataError, ModelError, StorageError
from codealign.logprobs import LogProbs, Spread
from codealign.modelcard import Score, write_model_card
from codealign.processes import asks_for_fsdp, process_index
from codealign.records import Message

UNREAD = {
    "transformers_version",
    "architectures",
    "dtype",
    "use_cache",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
}
"""Settings of a model's config.json that change no log-probability; the type is the weights' own."""


class EncodedText(NamedTuple):
    """A prompt and a completion as token ids; the completion ends with EOS.

    `joined` is False where the tokenizer merges across the boundary, so that the two sides were
    encoded apart.
    """

    prompt_ids: list[int]
    completion_ids: list[int]
    joined: bool


class Policy:
    """A model and its tokenizer. Make one with `load_policy`.

    `model` is the transformers or PEFT model; `tokenizer` its tokenizer; `name` where it came from.
    """

    def __init__(
        self,
        model: transformers.PreTrainedModel | peft.PeftModel,
        tokenizer: transformers.PreTrainedTokenizerBase,
        config: ModelConfig,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.name = config.model_name_or_path
        _check_chat_options(tokenizer, config)
        _check_attention(model)
        model.eval()  # dropout would make two paths differ
        self.log_probs = LogProbs(model, self.name)
        if config.gradient_checkpointing:
            self.log_probs.kept_bytes = 0
        self._shared: nn.Module | None = None
        """In several processes, what their wrapper made of `_Computation`."""
        self._emptied: transformers.PreTrainedModel | peft.PeftModel | None = None
        """The model that `model` is the sharded twin of."""
        self.train_mode(False)

    # ---------------------------------------------------------------- what it is

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def has_adapter(self) -> bool:
        """True for LoRA: the reference is then the same model with the adapter off."""
        return isinstance(self.model, peft.PeftModel)

    @property
    def eos_id(self) -> int:
        """The id that ends a completion."""
        return cast(Any, self.tokenizer).eos_token_id

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every id that ends generation: EOS, and those that the generation config adds."""
        generation = getattr(self.model, "generation_config", None)
        more = getattr(generation, "eos_token_id", None)
        more = [more] if isinstance(more, int) else more or []
        return frozenset([self.eos_id, *more])

    @property
    def max_positions(self) -> int | None:
        """Tokens that the position embedding was made for; None where the config doesn't say."""
        return getattr(self.model.config, "max_position_embeddings", None)

    @property
    def vocab_size(self) -> int:
        """Rows of the input embedding: ids must be below this."""
        return cast(nn.Embedding, self.model.get_input_embeddings()).num_embeddings

    def trainable_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """(name, parameter) of what an update may move, in a fixed order."""
        return [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]

    def reference_hash(self) -> str:
        """Hex digest of the reference: the weights of the base without its adapter, else all of them, and
        the settings that they are read with (the same weights with other rotary angles say other things).

        For full fine-tuning call it before the first update: the reference is the weights of now. All
        weights are read, 1 to 2 GB a second and thread.
        """
        weights = {_base_name(name): tensor for name, tensor in self.model.state_dict().items()}
        weights = {name: weights[name] for name in sorted(weights) if ".lora_" not in name}
        distinct = {_place(tensor): tensor for tensor in weights.values()}  # tied ones once
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            hashes = dict(zip(distinct, pool.map(_content_hash, distinct.values()), strict=True))
        settings = self.model.config.to_diff_dict()
        facts = [
            [[n, str(t.dtype), list(t.shape), hashes[_place(t)]] for n, t in weights.items()],
            {name: value for name, value in settings.items() if name not in UNREAD},
        ]
        text = json.dumps(facts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    # ---------------------------------------------------------------- text to ids

    def encode_prompt(
        self, prompt: str | Sequence[Message], *, instruction: str | None = None
    ) -> list[int]:
        """Token ids of a prompt, in the chat template where the config says so, with the tokenizer's BOS.

        `instruction` as for `render_prompt`.
        """
        return self._encode(self.render_prompt(prompt, instruction=instruction))

    def render_prompt(
        self, prompt: str | Sequence[Message], *, instruction: str | None = None
    ) -> str:
        """The text that the model continues: the prompt itself, or the chat template around it.

        A text is one user's message to a chat policy. Messages bring their own system message, or get
        `model.system_prompt`.

        `instruction` is the system prompt in the place of either; for a model without a chat template a
        comment above the prompt.

        Raises:
            DataError: messages for a policy without a chat template, or which its template refuses.
        """
        if not self._is_chat:
            return self._plain_prompt(prompt, instruction)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [*prompt]
        has_own = messages[0]["role"] == "system"
        system = self.config.system_prompt if instruction is None else instruction
        if system and (instruction is not None or not has_own):
            messages = [{"role": "system", "content": system}, *messages[has_own:]]
        try:
            rendered = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise DataError(
                f"the chat template refuses {', '.join(each['role'] for each in messages)}: {error}",
                where=self.name,
                cure="leave out such prompts, or give a tokenizer with a template that takes them",
            ) from None
        return cast(str, rendered)

    def _plain_prompt(self, prompt: str | Sequence[Message], instruction: str | None) -> str:
        if not isinstance(prompt, str):
            raise DataError(
                f"a prompt of {len(prompt)} messages, and this model is not read through a chat template",
                where=self.name,
                cure="use a chat model, or prompts of one user's message",
            )
        lines = [] if instruction is None else instruction.splitlines()
        return "".join(f"# {line}\n" for line in lines) + prompt

    def encode_pair_text(self, prompt: str | Sequence[Message], completion: str) -> EncodedText:
        """Token ids of text that has none: prompt and completion joined, EOS at the end.

        The joined text is tokenised and cut after the prompt, provided that the prompt's own ids
        are a prefix of it: only then does the model see in training what it sees when it samples.
        Where the tokenizer merges across the boundary the two are tokenised apart.
        """
        text = self.render_prompt(prompt)
        prompt_ids = self._encode(text)
        joined_ids = self._encode(text + completion)
        fits = joined_ids[: len(prompt_ids)] == prompt_ids
        if fits:
            completion_ids = joined_ids[len(prompt_ids) :]
        else:
            completion_ids = self._encode(completion, special=False)
        return EncodedText(prompt_ids, [*completion_ids, self.eos_id], fits)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens left out, nothing tidied up."""
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        return cast(str, self.tokenizer.decode(list(ids), **options))

    @property
    def _is_chat(self) -> bool:
        choice = self.config.chat_template
        return choice == "always" or (choice == "auto" and bool(self.tokenizer.chat_template))

    def _encode(self, text: str, *, special: bool = True) -> list[int]:
        # A chat template writes its own BOS; a second one would be a token never seen in training.
        ids = self.tokenizer(text, add_special_tokens=special and not self._is_chat)["input_ids"]
        ids = list(cast(list[int], ids))
        # Some tokenizers close every text with EOS; a prompt must stay open.
        if special and not self._is_chat and ids and ids[-1] == self.eos_id:
            ids.pop()
        return ids

    # ---------------------------------------------------------------- log-probabilities

    def token_logps(self, batch: Batch) -> Tensor:
        """Log-probabilities (nats) of each completion's tokens given its prompt, differentiable.

        Returns:
            [N, T] float32 (float64 for a float64 model), T the longest completion, 0 where padded.

        Raises:
            ModelError: the model's output layer is not one that meets every position once.
        """
        return self._compute(self.log_probs, batch)

    def token_spread(self, batch: Batch, *, with_kl: bool = False) -> Spread:
        """Log-probabilities with entropies, and KL to the reference, over the whole vocabulary.

        Raises:
            ConfigError: the KL is asked for and there is no adapter to switch off: the reference's whole
                distributions are not kept, and a second model is not held.
        """
        if with_kl and not self.has_adapter:
            raise ConfigError(
                "a KL over the whole vocabulary needs the reference beside the policy",
                where="model.use_peft",
                cure="train an adapter (use_peft: true), or estimate the KL from sampled tokens",
            )
        reference = self.reference if with_kl else None
        return self._compute(self.log_probs.spread, batch, reference)

    def _compute(self, compute: Callable[..., Any], *arguments: Any) -> Any:
        if self._shared is None:
            return compute(*arguments)
        return self._shared(compute, *arguments)

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, `token_logps` are the reference's: the adapter is off.

        Without an adapter the reference is the weights at the start, so this holds only until the
        first update. `reference.ReferenceCache` asks in time and remembers; no second model is kept.
        """
        if not isinstance(self.model, peft.PeftModel):
            yield
            return
        with self.model.disable_adapter():
            yield

    # ---------------------------------------------------------------- several processes

    def distribute(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        """Compute inside what `wrap` (DDP) makes of one module around the model."""
        self._shared = wrap(_Computation(self.model))

    def no_sync(self) -> contextlib.AbstractContextManager[Any]:
        """Inside, a backward leaves its gradients with this process, for a later one to exchange.

        With sharded weights they are exchanged all the same: to keep them would need whole ones.
        """
        # DDP has it, FSDP2 not.
        return getattr(cast(Any, self._shared), "no_sync", contextlib.nullcontext)()

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds a part of the weights, so that all must take part in every forward."""
        return self._emptied is not None

    def shard(self, layers: Collection[str] = ()) -> None:
        """Spread the weights over all processes, until `gather`; each must call this.

        Args:
            layers: class names of the model's layers; without, what transformers says of the model.

        Raises:
            ModelError: the model has no such layer.
        """
        base: Any = (
            self.model.get_base_model() if isinstance(self.model, peft.PeftModel) else self.model
        )
        layers = set(layers or getattr(base, "_no_split_modules", None) or ())
        if not any(type(module).__name__ in layers for module in self.model.modules()):
            raise ModelError(
                f"no module is a {' or '.join(sorted(layers)) or 'layer that transformers names'}",
                where=self.name,
                cure="name their class in fsdp_transformer_layer_cls_to_wrap, with fsdp_auto_wrap_policy: "
                "TRANSFORMER_BASED_WRAP",
            )
        device, self._emptied = self.device, self.model
        self._compute_with(sharding.twin_of(self.model))
        self._shared = _Computation(self.model)
        sharding.shard(self._shared, layers, device)
        sharding.empty(self._emptied)

    @contextlib.contextmanager
    def whole(self, device: torch.device | None = None) -> Iterator[None]:
        """Inside, the first process has all weights of a sharded policy, as an ordinary model.

        Every process must enter, and the others may only wait. Where nothing is sharded, nothing happens.

        Args:
            device: where the whole weights lie meanwhile; without, where the parts are.
        """
        if self._emptied is None:
            yield
            return
        with self._filled(keep=process_index() == 0, device=device):
            yield

    @contextlib.contextmanager
    def _filled(self, *, keep: bool, device: torch.device | None) -> Iterator[None]:
        model, twin, shared = cast(Any, self._emptied), self.model, self._shared
        sharding.fill(model, twin, keep=keep, device=device)
        self._compute_with(model)
        try:
            yield
        finally:
            self._compute_with(twin)
            self._shared = shared
            sharding.empty(model)

    def gather(self) -> None:
        """Compute in this process alone again, with all weights. Each process must call this."""
        model = self.model
        if self._emptied is not None:
            model, self._emptied = self._emptied, None
            sharding.fill(model, self.model, keep=True)
        self._compute_with(model)
        self.train_mode(False)

    def _compute_with(self, model: transformers.PreTrainedModel | peft.PeftModel) -> None:
        self.model = self.log_probs.model = model
        self._shared = None

    # ---------------------------------------------------------------- training and saving

    def train_mode(self, training: bool) -> None:
        """Switch gradient checkpointing and LoRA dropout; every other dropout stays off."""
        self.model.eval()
        for name, module in self.model.named_modules():
            if hasattr(module, "gradient_checkpointing") or "lora_dropout" in name:
                module.training = training
        # Several processes listen to autograd for the gradients that they exchange.
        self.log_probs.adds_gradients = training and self._shared is None

    def save(self, directory: Path | str, *, scores: Sequence[Score] = ()) -> None:
        """Write model (or adapter), tokenizer and a model card with `scores` in its model-index.

        Raises:
            StorageError: the directory can't be written.
        """
        directory = Path(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with _no_bars():
                self.model.save_pretrained(str(directory))
            self.tokenizer.save_pretrained(directory)
            write_model_card(directory, self.name, scores, is_adapter=self.has_adapter)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"could not write the model: {getattr(error, 'strerror', None) or error}",
                where=str(directory),
                cure="free some space and run again",
            ) from error

    def load_weights(self, directory: Path | str) -> None:
        """Put weights that `save` wrote into this policy, bit for bit. Sharded, every process must call this."""
        if self.is_sharded:
            twin = self.model
            with self._filled(keep=True, device=torch.device("cpu")):
                self._load_whole(directory)
                sharding.take_over(twin, self.model)
        else:
            self._load_whole(directory)

    def _load_whole(self, directory: Path | str) -> None:
        if isinstance(self.model, peft.PeftModel):
            weights = peft.utils.load_peft_weights(str(directory), device="cpu")
            peft.set_peft_model_state_dict(self.model, weights)
            return
        with _no_bars():
            saved = transformers.AutoModelForCausalLM.from_pretrained(
                directory, dtype=self.model.dtype, trust_remote_code=self.config.trust_remote_code
            )
        self.model.load_state_dict(saved.state_dict())


class _Computation(nn.Module):
    """Whatever is computed with a model's weights, as the forward of one module around the model.

    DDP and FSDP look at the forward of a module; the product with the output layer, which the model's own
    forward leaves out, is inside this one.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[..., Any], *arguments: Any) -> Any:
        return compute(*arguments)


# ------------------------------------------------------------------- loading


def load_policy(
    config: ModelConfig, *, device: torch.device | str | None = None, seed: int = 0
) -> Policy:
    """Load model and tokenizer as `config` says; `kata` is the policy shipped with the package.

    Args:
        config: the run file's `model` section.
        device: overrides `config.device`.
        seed: of the adapter's first weights (`use_peft`); nothing else is random.

    Raises:
        ModelError: missing, not a causal LM, no EOS, or options that don't fit it.
    """
    if asks_for_fsdp():
        # By default the launcher has transformers leave every process but the first with empty weights.
        disable_fsdp_ram_efficient_loading()
    path, revision = _resolve(config)
    target = torch.device(device) if device is not None else _choose_device(config)
    options: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": config.trust_remote_code,
    }
    try:
        with _no_bars():
            tokenizer = transformers.AutoTokenizer.from_pretrained(path, **options)
            model = _load_model(path, config, target, options)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"could not be loaded: {error}",
            where=config.model_name_or_path,
            cure="give a directory or Hub id of a causal language model with its tokenizer",
        ) from error
    if tokenizer.eos_token_id is None:
        raise ModelError(
            "the tokenizer has no EOS token, so no completion could ever end",
            where=config.model_name_or_path,
            cure="set eos_token in its tokenizer_config.json",
        )
    if config.gradient_checkpointing:
        _checkpoint_gradients(model)
    if config.use_peft:
        model = _add_adapter(model, config, seed)
    cast(nn.Module, model).to(target)
    return Policy(model, tokenizer, config)


def _resolve(config: ModelConfig) -> tuple[str, str | None]:
    if config.model_name_or_path != "kata":
        name = config.model_name_or_path
        if name.startswith(("/", "./", "../")) and not os.path.isdir(name):
            raise ModelError(
                "no such directory", where=name, cure="give a directory or Hub id of a model"
            )
        # An adapter remembers where its base is: a relative path would be lost with the directory.
        return os.path.abspath(name) if os.path.isdir(name) else name, config.revision
    if not KATA_POLICY.is_dir():
        raise ModelError(
            "the packaged kata policy is missing",
            where=str(KATA_POLICY),
            cure="install codealign from a release, or train it with `codealign kata pretrain`",
        )
    return str(KATA_POLICY), None


def _choose_device(config: ModelConfig) -> torch.device:
    if config.device == "cpu":
        return torch.device("cpu")
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in there and not there[config.device]():
        raise ModelError(
            f"PyTorch {torch.__version__} finds no {config.device} device here",
            where="model.device",
            cure="use model.device=auto, or install a PyTorch for this accelerator",
        )
    # accelerate knows which of several GPUs this process was launched for.
    own = cast(torch.device, PartialState().device)
    return own if config.device in ("auto", own.type) else torch.device(config.device)


def _choose_dtype(config: ModelConfig, device: torch.device) -> torch.dtype:
    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if has_bfloat16 else torch.float32


def _load_model(
    path: str, config: ModelConfig, device: torch.device, options: dict[str, Any]
) -> transformers.PreTrainedModel:
    options = {**options, "dtype": _choose_dtype(config, device)}
    if config.attn_implementation is not None:
        options["attn_implementation"] = config.attn_implementation
    if not (Path(path) / "adapter_config.json").is_file():
        return transformers.AutoModelForCausalLM.from_pretrained(path, **options)
    if config.use_peft:
        raise ModelError(
            "this is an adapter, and a second one on top has no base that others could load",
            where=path,
            cure="merge it first (peft: merge_and_unload, save_pretrained), or set use_peft: false",
        )
    with _quiet_peft():
        return peft.AutoPeftModelForCausalLM.from_pretrained(path, **options).merge_and_unload()


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers' bars off standard error: a run draws its own."""
    bars = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@contextlib.contextmanager
def _quiet_peft() -> Iterator[None]:
    """Silence two warnings of peft 0.21 about itself.

    It reads an attribute that transformers 5.23 renamed, and announces that it got the orientation of
    GPT-2's Conv1D right without being told.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")
        yield


def _add_adapter(
    model: transformers.PreTrainedModel, config: ModelConfig, seed: int
) -> peft.PeftModel:
    lora = peft.LoraConfig(
        task_type=peft.TaskType.CAUSAL_LM,
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=config.lora_target_modules,
    )
    with torch.random.fork_rng(), _quiet_peft():
        torch.manual_seed(seed)
        try:
            # The revision goes into the adapter's own file: its base is loaded again at that one.
            return cast(peft.PeftModel, peft.get_peft_model(model, lora, revision=config.revision))
        except ValueError as error:
            raise ModelError(
                f"no LoRA adapter fits: {error}",
                where=config.model_name_or_path,
                cure="name this model's modules in lora_target_modules",
            ) from error


def _place(tensor: Tensor) -> tuple[Any, ...]:
    """Where a tensor's values are: tied weights share it."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _content_hash(tensor: Tensor) -> str:
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return hashlib.sha256(content.data).hexdigest()


def _base_name(name: str) -> str:
    """A weight's name without what PEFT adds to it."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


def _checkpoint_gradients(model: transformers.PreTrainedModel) -> None:
    # transformers 5.23 renamed it; the old name warns there, the new one is missing before.
    enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
    enable({"use_reentrant": False})


def _check_chat_options(
    tokenizer: transformers.PreTrainedTokenizerBase, config: ModelConfig
) -> None:
    if config.chat_template == "always" and not tokenizer.chat_template:
        raise ModelError(
            "chat_template is `always`, but the tokenizer has none",
            where=config.model_name_or_path,
            cure="use an instruct model, or chat_template: never",
        )
    is_chat = config.chat_template != "never" and tokenizer.chat_template
    if config.system_prompt is not None and not is_chat:
        raise ModelError(
            "system_prompt would be ignored: prompts are plain text for this model",
            where=config.model_name_or_path,
            cure="remove system_prompt, or use a model with a chat template",
        )


def _check_attention(model: transformers.PreTrainedModel | peft.PeftModel) -> None:
    if getattr(model.config, "is_encoder_decoder", False) or getattr(
        model.config, "is_prefix_lm", False
    ):
        raise ModelError(
            "not a causal language model: right padding would change its log-probabilities",
            where=getattr(model.config, "name_or_path", None),
            cure="use a decoder-only model",
        )
