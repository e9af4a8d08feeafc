"""The openai engine against a real HTTP server in front of a real tiny model, and vllm's absence."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from model_fixtures import save_tiny_model

from codealign.config import ModelConfig, OpenAIEngine, VllmEngine
from codealign.errors import EngineError
from codealign.policy import Policy, load_policy
from codealign.sampling import Request, SamplingParams, open_engine
from codealign.sampling.engine import server_seed
from codealign.sampling.transformers_engine import TransformersEngine

torch.set_num_threads(1)

PROMPT = "def add(a, b):\n"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    directory = save_tiny_model(tmp_path_factory.mktemp("served"), chat=True)
    return load_policy(ModelConfig(model_name_or_path=str(directory), chat_template="never"))


class Server(ThreadingHTTPServer):
    """Speaks OpenAI's protocol over `policy`; `like_vllm` adds token ids, `faults` come first."""

    def __init__(self, policy: Policy, *, like_vllm: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.policy, self.like_vllm = policy, like_vllm
        self.faults: list[Callable[[_Handler], None]] = []
        self.list_fault: Callable[[_Handler], None] | None = None
        self.bodies: list[dict[str, Any]] = []
        self.headers_seen: list[dict[str, str]] = []
        self.most_at_once = self._at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def answer(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        with self.lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(0.02)  # so that requests that may overlap do
        with self.lock:
            self._at_once -= 1
            return self._answer(body, chat)

    def _answer(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        ids = tuple(prompt) if isinstance(prompt, list) else None
        request = Request("served", "" if ids else prompt, 0, ids)
        params = SamplingParams(
            temperature=body["temperature"], max_new_tokens=body["max_tokens"], seed=body["seed"]
        )
        (completion,) = TransformersEngine(self.policy).sample([request], params)
        choice: dict[str, Any] = {"index": 0, "finish_reason": completion.finish_reason}
        text = completion.completion
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if self.like_vllm:
            assert body["return_token_ids"]
            choice["token_ids"] = completion.completion_ids
            choice["prompt_token_ids"] = completion.prompt_ids
            choice["logprobs"] = {"token_logprobs": [completion.logprob]}
        return {"object": "text_completion", "choices": [choice]}


class _Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        if self.server.list_fault is not None:
            self.server.list_fault(self)
            return
        owner = "vllm" if self.server.like_vllm else "someone"
        self.reply(200, {"object": "list", "data": [{"id": "tiny", "owned_by": owner}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.headers_seen.append(dict(self.headers))
        if self.server.faults:
            self.server.faults.pop(0)(self)
            return
        self.reply(200, self.server.answer(body, "chat" in self.path))

    def reply(self, status: int, value: Any, **headers: str) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.send_response(status)
        for name, header in headers.items():
            self.send_header(name.replace("_", "-"), header)
        self.end_headers()
        self.wfile.write(text.encode())


def refuse(status: int, words: str = "no", **headers: str) -> Callable[[_Handler], None]:
    return lambda handler: handler.reply(status, {"error": {"message": words}}, **headers)


def hang_up(handler: _Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def serve(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    monkeypatch.setattr("codealign.sampling.openai_engine.FIRST_PAUSE_S", 0.01)
    servers: list[Server] = []

    def start(**kwargs: Any) -> Server:
        servers.append(Server(policy, **kwargs))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sample(
    server: Server, num: int = 1, policy: Policy | None = None, **settings: Any
) -> list[Any]:
    config = OpenAIEngine(base_url=server.url, **settings.pop("config", {}))
    params = SamplingParams(**{"max_new_tokens": 8, **settings})
    engine = open_engine(config, policy)
    completions = engine.sample([Request("t", PROMPT, i) for i in range(num)], params)
    return sorted(completions, key=lambda completion: completion.sample_index)


def test_text_comes_back_and_token_ids_are_marked_absent(
    serve: Callable[..., Server], policy: Policy
) -> None:
    server = serve()
    (completion,) = sample(server, temperature=0.0)
    (expected,) = TransformersEngine(policy).sample(
        [Request("t", PROMPT)], SamplingParams(temperature=0.0, max_new_tokens=8)
    )
    assert completion.completion == expected.completion
    assert completion.finish_reason == expected.finish_reason
    row = completion.to_row()
    assert not {"prompt_ids", "completion_ids", "logprob"} & set(row)
    assert row["sampler"]["engine"] == "openai"
    assert row["sampler"]["model"] == "tiny"


def test_only_what_was_asked_for_is_sent(serve: Callable[..., Server]) -> None:
    server = serve()
    sample(server, top_k=0, stop=())
    seed = server_seed(SamplingParams(), Request("t", PROMPT))
    assert server.bodies == [
        {
            "model": "tiny",
            "prompt": PROMPT,
            "temperature": 1.0,
            "top_p": 1.0,
            "max_tokens": 8,
            "seed": seed,
        }
    ]
    sample(server, top_k=5, min_p=0.1, stop=("\n\n",))
    assert {"top_k": 5, "min_p": 0.1, "stop": ["\n\n"]}.items() <= server.bodies[1].items()


def test_each_sample_has_its_own_seed_and_requests_overlap_up_to_the_limit(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    completions = sample(server, num=12, config={"concurrency": 4})
    assert [c.sample_index for c in completions] == list(range(12))
    assert len({body["seed"] for body in server.bodies}) == 12
    assert 2 <= server.most_at_once <= 4


def test_chat_sends_the_prompt_as_a_user_message(serve: Callable[..., Server]) -> None:
    server = serve()
    (completion,) = sample(server, config={"api": "chat"})
    assert server.bodies[0]["messages"] == [{"role": "user", "content": PROMPT}]
    assert completion.finish_reason in ("stop", "length")


def test_a_vllm_server_is_sent_token_ids_and_returns_them(
    serve: Callable[..., Server], policy: Policy
) -> None:
    server = serve(like_vllm=True)
    (completion,) = sample(server, policy=policy, temperature=0.0)
    (expected,) = TransformersEngine(policy).sample(
        [Request("t", PROMPT)], SamplingParams(temperature=0.0, max_new_tokens=8)
    )
    assert server.bodies[0]["prompt"] == policy.encode_prompt(PROMPT)
    assert completion.completion_ids == expected.completion_ids
    assert completion.prompt_ids == expected.prompt_ids
    assert completion.logprob == pytest.approx(expected.logprob)


@pytest.mark.parametrize(
    "fault", [refuse(429, Retry_After="0"), refuse(503), hang_up], ids=["busy", "down", "hang_up"]
)
def test_a_passing_fault_is_tried_again(serve: Callable[..., Server], fault: Any) -> None:
    server = serve()
    server.faults = [fault, fault]
    assert len(sample(server)) == 1
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("fault", "words", "num_tries"),
    [
        (refuse(401, "bad key"), r"HTTP 401.*bad key(.|\n)*api_key_env", 1),
        (refuse(404, "no such model"), r"HTTP 404.*no such model(.|\n)*base_url", 1),
        (refuse(400, "top_k is unknown"), r"HTTP 400.*top_k is unknown", 1),
        (refuse(503, "overloaded"), r"HTTP 503.*overloaded.*\(6 attempts\)", 6),
        (lambda handler: handler.reply(200, "<html>"), r"not JSON", 1),
        (lambda handler: handler.reply(200, {"answer": 42}), r"not OpenAI's shape.*42", 1),
    ],
    ids=["key", "model", "setting", "overloaded", "html", "shape"],
)
def test_a_lasting_fault_is_an_error_with_the_address_the_words_and_the_cure(
    serve: Callable[..., Server], fault: Any, words: str, num_tries: int
) -> None:
    server = serve()
    server.faults = [fault] * 10
    with pytest.raises(EngineError, match=words) as caught:
        sample(server)
    assert str(caught.value).startswith(server.url + "/completions: ")
    assert caught.value.exit_code == 3
    assert len(server.bodies) == num_tries


def test_a_server_without_a_model_list_serves_the_model_that_was_named(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    server.list_fault = refuse(500, "no cache directory")
    (completion,) = sample(server, config={"model": "tiny"})
    assert completion.to_row()["sampler"]["model"] == "tiny"
    with pytest.raises(EngineError, match="no cache directory"):
        sample(server)


def test_no_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codealign.sampling.openai_engine.FIRST_PAUSE_S", 0.001)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(EngineError, match=r"(?i)refused.*\(6 attempts\)(.|\n)*server runs"):
        open_engine(OpenAIEngine(base_url=url), None)


def test_the_key_is_read_from_the_named_variable(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    server = serve()
    (completion,) = sample(server, config={"api_key_env": "MY_KEY"})
    assert server.headers_seen[0]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in completion.model_dump_json()


def test_a_request_has_its_own_limit(serve: Callable[..., Server]) -> None:
    server = serve(like_vllm=True)
    engine = open_engine(OpenAIEngine(base_url=server.url, concurrency=1), None)
    limits = [3, 50, None]
    wanted = [Request("t", PROMPT, number, None, limit) for number, limit in enumerate(limits)]
    rows = list(engine.sample(wanted, SamplingParams(max_new_tokens=8)))
    assert [body["max_tokens"] for body in server.bodies] == [3, 8, 8]
    assert [row.to_row()["sampler"]["max_new_tokens"] for row in rows] == [3, 8, 8]


class _LikeVllm:
    """The names of vLLM that the engine uses; `LLM` keeps the settings it is given."""

    SamplingParams = SimpleNamespace

    class LLM:
        def __init__(self, **_: Any) -> None: ...

        def generate(self, prompts: list[Any], settings: list[Any], **_: Any) -> list[Any]:
            return [
                SimpleNamespace(
                    prompt_token_ids=prompt["prompt_token_ids"],
                    outputs=[
                        SimpleNamespace(
                            finish_reason="length",
                            stop_reason=None,
                            text="",
                            token_ids=[1] * setting.max_tokens,
                            cumulative_logprob=-1.0,
                        )
                    ],
                )
                for prompt, setting in zip(prompts, settings, strict=True)
            ]


def test_vllm_is_told_each_requests_limit(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", _LikeVllm)  # pyright: ignore[reportArgumentType]
    wanted = [Request("t", "", 0, (5, 6), 3), Request("t", "", 1, (5, 6))]
    engine: Any = open_engine(VllmEngine(), policy)
    with engine.directory:
        rows = list(engine.sample(wanted, SamplingParams(max_new_tokens=8)))
    assert [len(row.completion_ids or []) for row in rows] == [3, 8]


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_a_missing_vllm_is_an_error_with_the_cure(policy: Policy) -> None:
    with pytest.raises(EngineError, match=r"pip install vllm"):
        open_engine(VllmEngine(), policy)


def test_a_server_known_for_filters_of_its_own_is_told_to_use_none(
    serve: Callable[..., Server], policy: Policy
) -> None:
    server = serve(like_vllm=True)
    sample(server, policy=policy)
    off = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    assert off.items() <= server.bodies[0].items()
    sample(server, policy=policy, top_k=5)
    assert (off | {"top_k": 5}).items() <= server.bodies[1].items()


# ------------------------------------------------------------------- real servers


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
    reason="transformers serve needs: pip install 'transformers[serving]'",
)
def test_transformers_serve_gives_the_models_greedy_text(policy: Policy, tmp_path: Path) -> None:
    # Not its chat: 5.23 answers with the prompt in front, for a tokenizer without a response template.
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", policy.name]
    with _running([*command, "--device", "cpu"], tmp_path / "log") as url:
        _compare_greedy(policy, OpenAIEngine(base_url=url, model=policy.name))


def _llama_python() -> str | None:
    """A Python that has llama-cpp-python[server] and gguf."""
    if importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("gguf"):
        return sys.executable
    return os.environ.get("CODEALIGN_LLAMA_CPP_PYTHON")


@pytest.mark.slow
@pytest.mark.skipif(
    _llama_python() is None,
    reason="CODEALIGN_LLAMA_CPP_PYTHON names no Python with llama-cpp-python[server] and gguf",
)
def test_llama_cpp_gives_the_models_greedy_text_and_obeys_stop_strings(
    policy: Policy, tmp_path: Path
) -> None:
    python = str(_llama_python())
    script = Path(__file__).with_name("gguf_model.py")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    model = tmp_path / "tiny.gguf"
    subprocess.run([python, script, policy.name, model], check=True, env=alone)
    # Keys and values in float32 (type 0), as ours are; 16 bits move a near-tie.
    command = [python, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "tiny"]
    command += ["--n_ctx", "256", "--type_k", "0", "--type_v", "0", "--n_threads", "1"]
    with _running(command, tmp_path / "log") as url:
        config = OpenAIEngine(base_url=url)
        _compare_greedy(policy, config)
        _compare_greedy(policy, OpenAIEngine(base_url=url, api="chat"))
        params = SamplingParams(max_new_tokens=60, stop=("a",), seed=3)
        stopped = list(
            open_engine(config, None).sample([Request("t", PROMPT, i) for i in range(8)], params)
        )
        assert len({completion.completion for completion in stopped}) > 4  # seeds do differ
        assert not any("a" in completion.completion for completion in stopped)
        assert "stop" in {completion.finish_reason for completion in stopped}


def _compare_greedy(policy: Policy, config: OpenAIEngine) -> None:
    chat = policy.tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True
    )
    asked = chat if config.api == "chat" else PROMPT
    params = SamplingParams(temperature=0.0, max_new_tokens=8)
    (served,) = open_engine(config, None).sample([Request("t", PROMPT)], params)
    (ours,) = TransformersEngine(policy).sample([Request("t", str(asked))], params)
    # Bytes that are no character yet: llama.cpp drops what we mark, and goes on for one token more.
    text, expected = (c.completion.replace("\ufffd", "") for c in (served, ours))
    assert len(expected) >= 4
    assert text.startswith(expected)
    assert served.finish_reason == ours.finish_reason


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[str]:
    """The address of a server that `command` starts; `--host` and `--port` are added."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*command, "--host", "127.0.0.1", "--port", str(port)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    if command[0] != sys.executable:
        offline.pop("PYTHONPATH", None)
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=offline)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url + "/models", timeout=5):
                return
        except urllib.error.HTTPError:
            return  # up; it has no model list without a Hub cache
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not come up: {log.read_text()}")
