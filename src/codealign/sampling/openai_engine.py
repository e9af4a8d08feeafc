"""Any server that speaks OpenAI's `/v1/completions` or `/v1/chat/completions`.

Requests run in `concurrency` threads; a busy or failing server is tried again with growing pauses, and
what stays wrong is an EngineError that names the address, the server's words, and the cure.

Token ids: vLLM (recognised by `owned_by` in its model list) is sent ids and returns ids and log-probs.
Other servers return text alone; `prompt_ids`, `completion_ids` and `logprob` are then absent, and
training tokenises the text itself.

Filters that nobody asked for are switched off where the server is known to have some (vLLM, llama.cpp); others sample
with whatever defaults they have.

Not promised: reproducible draws. A seed made from (seed, task_id, sample_index) is sent with every
request; whether the server gives each request its own stream is the server's.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from codealign.config import OpenAIEngine as OpenAIEngineConfig
from codealign.errors import EngineError
from codealign.records import Completion
from codealign.sampling.engine import Request, SamplingParams, server_seed

if TYPE_CHECKING:
    from codealign.policy import Policy

log = logging.getLogger("codealign.sampling")

ATTEMPTS = 6
FIRST_PAUSE_S = 0.5
"""Doubled after every attempt, up to a half more at random so that threads don't return together."""
LONGEST_PAUSE_S = 30.0
WORTH_ANOTHER_TRY = {408, 409, 425, 429, 500, 502, 503, 504}
UNFILTERED: dict[str, dict[str, Any]] = {
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
    "me": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
}
"""What switches a server's own filters off, by `owned_by` of its model list: vLLM takes those of the model's
generation_config.json, llama-cpp-python ("me") has top_k 40, min_p 0.05 and a penalty of 1.1, greedy or not."""
CURES = {
    401: "set the key in the environment variable that sample.engine.api_key_env names",
    403: "set the key in the environment variable that sample.engine.api_key_env names",
    404: "check sample.engine.base_url (it ends in /v1), model and api",
    429: "lower sample.engine.concurrency and run again: what was sampled is kept",
}


class OpenAIEngine:
    """Samples what a server serves; see the module's text."""

    name = "openai"

    def __init__(self, config: OpenAIEngineConfig, policy: Policy | None = None) -> None:
        self.config, self.policy = config, policy
        self.base_url = config.base_url.rstrip("/")
        served = self._served_model()
        self.model: str = served["id"]
        owner = served.get("owned_by")
        self.returns_ids = owner == "vllm"
        self.unfiltered = UNFILTERED.get(str(owner), {})

    def _served_model(self) -> dict[str, Any]:
        """The entry of the server's model list that we sample."""
        models = self._listed_models()
        if self.config.model is not None:
            named = [row for row in models if row["id"] == self.config.model]
            # Some servers serve more than they list; the first request tells.
            return named[0] if named else {"id": self.config.model}
        if len(models) != 1:
            names = ", ".join(str(row["id"]) for row in models) or "none"
            raise EngineError(
                f"the server lists {len(models)} models ({names}) and none was named",
                where=f"{self.base_url}/models",
                cure="set sample.engine.model",
            )
        return models[0]

    def _listed_models(self) -> list[dict[str, Any]]:
        try:
            listed = self._call("GET", "/models").get("data")
        except _NoAnswer as error:
            # `transformers serve` fails here without a Hub cache, and serves a named model all the same.
            if error.status is None or self.config.model is None:
                raise
            log.info("no model list, going on with the model named: %s", error.what)
            return []
        return [row for row in listed or [] if isinstance(row, dict) and "id" in row]

    def sample(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Completion]:
        """Yield completions as the server finishes them."""
        waiting = iter(requests)
        pool = ThreadPoolExecutor(self.config.concurrency, thread_name_prefix="codealign-openai")
        running: set[Future[Completion]] = set()
        try:
            while True:
                while len(running) < self.config.concurrency:
                    request = next(waiting, None)
                    if request is None:
                        break
                    running.add(pool.submit(self._complete, request, params.of(request)))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _complete(self, request: Request, params: SamplingParams) -> Completion:
        path = "/chat/completions" if self.config.api == "chat" else "/completions"
        answer = self._call("POST", path, self._body(request, params))
        try:
            return self._completion(request, params, answer, answer["choices"][0])
        except (KeyError, IndexError, TypeError) as error:
            raise EngineError(
                f"the answer is not OpenAI's shape: {error!r} in {json.dumps(answer)[:300]}",
                where=self.base_url + path,
                cure="check that base_url is an OpenAI-compatible server",
            ) from error

    def _body(self, request: Request, params: SamplingParams) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "max_tokens": params.max_new_tokens,
            "seed": server_seed(params, request),
        }
        # Not in OpenAI's own protocol, so sent to servers that are known to take them, and to others only
        # when asked for: the server refuses or obeys.
        asked = {"stop": list(params.stop), "top_k": params.top_k, "min_p": params.min_p}
        body |= self.unfiltered | {name: value for name, value in asked.items() if value}
        if self.config.api == "chat":
            body["messages"] = self._messages(request)
            ids = {"return_token_ids": True, "logprobs": True}
        else:
            body["prompt"] = self._prompt(request)
            ids = {"return_token_ids": True, "logprobs": 1}
        return body | ids if self.returns_ids else body

    def _messages(self, request: Request) -> list[dict[str, str]]:
        system = self.policy.config.system_prompt if self.policy else None
        messages = [{"role": "system", "content": system}] if system else []
        return [*messages, {"role": "user", "content": request.prompt}]

    def _prompt(self, request: Request) -> str | list[int]:
        if request.prompt_ids is not None:
            return list(request.prompt_ids)
        if self.policy is None:
            return request.prompt
        if self.returns_ids:
            return self.policy.encode_prompt(request.prompt)
        return self.policy.render_prompt(request.prompt)

    def _completion(
        self,
        request: Request,
        params: SamplingParams,
        answer: dict[str, Any],
        choice: dict[str, Any],
    ) -> Completion:
        chat = self.config.api == "chat"
        text = choice["message"]["content"] if chat else choice["text"]
        reason = choice.get("finish_reason")
        columns: dict[str, Any] = {"sampler": params.column(self.name) | {"model": self.model}}
        if isinstance(choice.get("stop_reason"), str):
            columns["stop_reason"] = choice["stop_reason"]
        return Completion(
            task_id=request.task_id,
            sample_index=request.sample_index,
            completion=text or "",
            prompt_ids=choice.get("prompt_token_ids") or answer.get("prompt_token_ids"),
            completion_ids=choice.get("token_ids"),
            finish_reason=reason if reason in ("stop", "length") else "unknown",
            logprob=_summed_logprob(choice) if self.returns_ids else None,
            **columns,
        )

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One HTTP call with retries; the JSON object it answers."""
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._call_once(method, path, body)
            except _Refused as refused:
                # A model list that fails inside the server fails again; a completion may not.
                again = method == "POST" or refused.status != 500
                if attempt == ATTEMPTS or not (again and refused.worth_another_try):
                    raise refused.as_engine_error(self.base_url + path, attempt) from refused
                asked_s = refused.retry_after_s or 0.0
            time.sleep(min(max(pause_s, asked_s), LONGEST_PAUSE_S) * random.uniform(1.0, 1.5))
            pause_s *= 2
        raise AssertionError("unreachable")

    def _call_once(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        key = os.environ.get(self.config.api_key_env)
        request = urllib.request.Request(
            self.base_url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=self.config.timeout_s) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise _Refused(_words_of(error), error.code, _retry_after(error)) from error
        except ValueError as error:
            raise _Refused(f"the answer is not JSON: {error}") from error
        except (OSError, http.client.HTTPException) as error:  # refused, reset, timed out, cut off
            raise _Refused(str(getattr(error, "reason", error)), retry=True) from error
        if not isinstance(answer, dict):
            raise _Refused(f"the answer is a {type(answer).__name__}, not an object")
        return answer


class _NoAnswer(EngineError):
    """The call failed for good; `status` is the HTTP status, None where there was none."""

    status: int | None = None


class _Refused(Exception):
    """One attempt that failed."""

    def __init__(
        self,
        words: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        retry: bool = False,
    ) -> None:
        super().__init__(words)
        self.words, self.status, self.retry_after_s = words, status, retry_after_s
        self.worth_another_try = retry or status in WORTH_ANOTHER_TRY

    def as_engine_error(self, where: str, attempts: int) -> EngineError:
        status = f"HTTP {self.status}: " if self.status else ""
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        cure = CURES.get(self.status or 0, "check that the server runs and accepts these settings")
        error = _NoAnswer(f"{status}{self.words}{tries}", where=where, cure=cure)
        error.status = self.status
        return error


def _words_of(error: urllib.error.HTTPError) -> str:
    """What the server said, at most 300 characters."""
    text = error.read().decode("utf-8", "replace").strip()
    return text[:300] or str(error.reason)


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    """Seconds of a Retry-After header; its date form is not read, the usual pause serves."""
    value = error.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _summed_logprob(choice: dict[str, Any]) -> float | None:
    """Sum of the sampled tokens' log-probs in either API's shape; None where they are not given."""
    logprobs = choice.get("logprobs") or {}
    listed = logprobs.get("token_logprobs")
    if listed is None and logprobs.get("content") is not None:
        listed = [token["logprob"] for token in logprobs["content"]]
    if listed is None or None in listed:
        return None
    return float(sum(listed))
