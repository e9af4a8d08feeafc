"""vLLM in this process, for models and machines that are too large for the embedded engine.

The policy's weights as they are now go to vLLM through a temporary directory (an adapter alone where
there is one), so a policy that was just trained is what is sampled. Prompts travel as token ids, and
token ids come back.

Not tested, for want of a GPU; written against vLLM 0.8 and later:
`vllm.LLM.generate`, `SamplingParams(n=1, seed, logprobs=0)`, `token_ids` of the outputs, which hold
the EOS or the tokens of a stop string just as the embedded engine's do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from codealign.config import VllmEngine as VllmEngineConfig
from codealign.errors import EngineError
from codealign.policy import Policy
from codealign.records import Completion, FinishReason
from codealign.sampling.engine import Request, SamplingParams, server_seed

WINDOW = 1024
"""Requests given to vLLM at once; completions come out after each window."""


class VllmEngine:
    """Samples a policy by `vllm.LLM`; see the module's text."""

    name = "vllm"

    def __init__(self, policy: Policy, config: VllmEngineConfig) -> None:
        try:
            import vllm  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise EngineError(
                f"vLLM can't be imported: {error}",
                where="sample.engine.kind=vllm",
                cure="pip install vllm on a machine with a GPU, or use the transformers engine",
            ) from None
        self.vllm: Any = vllm
        self.policy = policy
        self.directory = tempfile.TemporaryDirectory(prefix="codealign-vllm-")
        policy.save(self.directory.name)
        self.llm = self._load(config)

    def _load(self, config: VllmEngineConfig) -> Any:
        model, tokenizer = self.directory.name, self.directory.name
        adapter: dict[str, Any] = {}
        if self.policy.has_adapter:
            peft_config: Any = self.policy.model.peft_config["default"]
            model = peft_config.base_model_name_or_path
            adapter = {"enable_lora": True, "max_lora_rank": peft_config.r}
        try:
            return self.vllm.LLM(
                model=model,
                tokenizer=tokenizer,
                dtype=str(self.policy.model.dtype).removeprefix("torch."),
                trust_remote_code=self.policy.config.trust_remote_code,
                tensor_parallel_size=config.tensor_parallel_size,
                gpu_memory_utilization=config.gpu_memory_utilization,
                enable_prefix_caching=True,
                **adapter,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineError(
                f"vLLM can't load the model: {error}",
                where=str(model),
                cure="lower gpu_memory_utilization, raise tensor_parallel_size, or use transformers",
            ) from error

    def sample(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Completion]:
        """Yield completions, a window of requests at a time."""
        waiting = iter(requests)
        while window := list(islice(waiting, WINDOW)):
            yield from self._sample_window(window, params)

    def _sample_window(
        self, window: Sequence[Request], params: SamplingParams
    ) -> Iterator[Completion]:
        prompts = [
            {"prompt_token_ids": list(r.prompt_ids or self.policy.encode_prompt(r.prompt))}
            for r in window
        ]
        settings = [self._settings(request, params.of(request)) for request in window]
        outputs = self.llm.generate(
            prompts, settings, use_tqdm=False, lora_request=self._lora_request()
        )
        for request, output in zip(window, outputs, strict=True):
            yield _completion(request, output, params.of(request))

    def _settings(self, request: Request, params: SamplingParams) -> Any:
        return self.vllm.SamplingParams(
            n=1,
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k or -1,
            min_p=params.min_p,
            max_tokens=params.max_new_tokens,
            stop=list(params.stop),
            stop_token_ids=sorted(self.policy.stop_ids),
            seed=server_seed(params, request),
            logprobs=0,
        )

    def _lora_request(self) -> Any:
        if not self.policy.has_adapter:
            return None
        from vllm.lora.request import LoRARequest  # pyright: ignore[reportMissingImports]

        return LoRARequest("policy", 1, str(Path(self.directory.name)))


def _completion(request: Request, output: Any, params: SamplingParams) -> Completion:
    answer = output.outputs[0]
    reason: FinishReason = (
        answer.finish_reason if answer.finish_reason in ("stop", "length") else "unknown"
    )
    columns: dict[str, Any] = {"sampler": params.column(VllmEngine.name)}
    if isinstance(answer.stop_reason, str):
        columns["stop_reason"] = answer.stop_reason
    return Completion(
        task_id=request.task_id,
        sample_index=request.sample_index,
        completion=answer.text,
        prompt_ids=list(output.prompt_token_ids),
        completion_ids=list(answer.token_ids),
        finish_reason=reason,
        # vLLM's default, `raw_logprobs`: before temperature and filters, as the embedded engine's.
        logprob=answer.cumulative_logprob,
        **columns,
    )
