"""The judge against a server on this machine: grades, unscored replies, resume, failures, untrusted texts."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stillright.config.strict import parse
from stillright.errors import ConfigError, DataError, JudgeError, MissingExtra
from stillright.scoring.judge import JudgeSettings, judge, parse_grade, render

Reply = Callable[[str], Any]  # message -> the judge's text, a status code, or another value to send

KEY = "sk-secret"


class FakeEndpoint:
    """Replies to chat completions on 127.0.0.1 and remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.reply: Reply = lambda message: '{"score": 7}'
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append({"path": self.path, "key": self.headers["Authorization"], **body})
                self.answer(endpoint.reply(body["messages"][0]["content"]))

            def answer(self, reply: Any) -> None:
                message = {"role": "assistant", "content": reply}
                value: Any = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
                if isinstance(reply, int):
                    value = {"error": f"no\nto {KEY}"}
                elif not isinstance(reply, str):
                    value = reply[0]
                data = json.dumps(value).encode()
                self.send_response(reply if isinstance(reply, int) else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Retry-After-Ms", "1")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fake = FakeEndpoint()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


def ask(endpoint: FakeEndpoint, outputs: list[str], **settings: Any) -> list[float]:
    """The grades of outputs, all to one prompt with one reference."""
    told = JudgeSettings(**{"base_url": endpoint.url, "model": "m", "retries": 0, **settings})
    grades = judge(["say hi"] * len(outputs), outputs, [["hi"]] * len(outputs), told)
    return [float(grade) for grade in grades]


def grade_of_length(message: str) -> str:
    """As many points as the answer has letters x."""
    return json.dumps({"score": message.count("x")})


def counting_x(endpoint: FakeEndpoint) -> dict[str, str]:
    """Sets a reply by the answer's letters x; gives a template without others."""
    endpoint.reply = grade_of_length
    return {"template": "$output"}


def test_grades_stand_in_the_order_of_samples(endpoint: FakeEndpoint) -> None:
    template = counting_x(endpoint)
    assert ask(endpoint, ["xx", "", "x" * 10, "xxxxx"], **template) == [0.2, 0.0, 1.0, 0.5]


def test_request(endpoint: FakeEndpoint) -> None:
    ask(endpoint, ["hello"])
    (request,) = endpoint.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["key"] == f"Bearer {KEY}"
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("m", 0, 1024)
    assert all(text in request["messages"][0]["content"] for text in ("say hi", "\nhi\n", "\nhello\n"))


def test_equal_samples_are_asked_about_once(endpoint: FakeEndpoint) -> None:
    assert ask(endpoint, ["a", "b", "a"]) == [0.7, 0.7, 0.7]
    assert len(endpoint.requests) == 2


def test_what_cannot_be_parsed_is_unscored(endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda message: "It is good." if "bad" in message else "8"
    assert np.array_equal(ask(endpoint, ["good", "bad"]), [0.8, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ('{"score": 7}', 0.7),
        ('```json\n{"reason": "short", "score": 2.5}\n```', 0.25),
        ('{"score": 3} as said: {"score": 3.0}', 0.3),
        ('<think>{"score": 1}</think>{"score": 9}', 0.9),
        ("8", 0.8),
        (" 8/10. ", 0.8),
        ("10", 1.0),
        ("0", 0.0),
    ],
)
def test_grade(reply: str, grade: float) -> None:
    assert parse_grade(reply) == grade


@pytest.mark.parametrize(
    "reply", ["", "good", "I give 8", "11", "-1", "9" * 400, "{}", "{8}", '{"score": 1} {"score": 9}']
)
def test_no_grade_in(reply: str) -> None:
    assert np.isnan(parse_grade(reply))


@pytest.mark.parametrize("value", ["-1", "10.5", '"8"', "true", "null", "NaN", "1" + "0" * 400, "1" * 5000])
def test_no_grade(value: str) -> None:
    assert np.isnan(parse_grade(f'{{"score": {value}}}'))


@given(st.text(max_size=30), st.text(max_size=30), st.lists(st.text(max_size=10), max_size=2))
def test_no_text_holds_its_own_mark(prompt: str, output: str, references: list[str]) -> None:
    mark = render("$output", prompt, output, references).split("\n")[0]
    assert mark.startswith("<quoted-")
    assert mark not in f"{prompt}{output}{references}"
    assert render("$output", prompt, output, references).endswith(f"\n</{mark[1:]}")


def test_an_output_is_not_a_template() -> None:
    assert "\nsay $prompt ${references}\n" in render("$output", "p", "say $prompt ${references}", [])
    assert render("$references", "p", "o", []) == "(none is given)"


def test_half_a_surrogate_pair_is_sent_as_a_question_mark(endpoint: FakeEndpoint) -> None:
    assert ask(endpoint, ["\ud800"]) == [0.7]
    assert "\n?\n" in endpoint.requests[0]["messages"][0]["content"]


def test_an_interrupted_run_resumes(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    template, cache = counting_x(endpoint), tmp_path / "judge" / "replies.jsonl"
    endpoint.reply = lambda message: 500 if len(endpoint.requests) > 2 else grade_of_length(message)
    outputs = ["x", "xx", "xxx", "xxxx"]
    with pytest.raises(JudgeError, match=r"500.*; the replies so far are in .*replies\.jsonl"):
        ask(endpoint, outputs, cache=cache, concurrency=1, **template)
    with cache.open("a") as file:
        file.write('{"key": "half a li')
    endpoint.requests.clear()
    endpoint.reply = grade_of_length
    assert ask(endpoint, outputs, cache=cache, **template) == [0.1, 0.2, 0.3, 0.4]
    assert len(endpoint.requests) == 2
    assert ask(endpoint, outputs, cache=cache, **template) == [0.1, 0.2, 0.3, 0.4]
    assert len(endpoint.requests) == 2


def test_a_reply_is_kept_for_what_was_asked(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    for changed in ({}, {"model": "other"}, {"template": "Grade $output"}, {"max_tokens": 5}, {}):
        ask(endpoint, ["a"], cache=tmp_path / "replies.jsonl", **changed)
    assert len(endpoint.requests) == 4


def test_a_damaged_cache_is_named(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    cache = tmp_path / "replies.jsonl"
    cache.write_text('{"key": "k", "reply": 7}\n')
    with pytest.raises(DataError, match=r"replies\.jsonl:1: not a reply of a judge"):
        ask(endpoint, ["a"], cache=cache)


def test_a_failed_request_is_tried_again(endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda message: 429 if len(endpoint.requests) == 1 else "6"
    assert ask(endpoint, ["a"], retries=1) == [0.6]


def test_a_failure_is_one_line_without_the_key(endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda message: 401
    with pytest.raises(JudgeError) as caught:
        ask(endpoint, ["a"])
    line = str(caught.value)
    assert line.startswith(f"judge m at {endpoint.url}: Error code: 401")
    assert "\n" not in line
    assert KEY not in line


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "text",
        [],
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": "abc"},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": ["7"]}}]},
        {"choices": [{"message": {"content": 7}}]},
    ],
    ids=json.dumps,
)
def test_a_reply_that_is_no_text_is_one_line(endpoint: FakeEndpoint, sent: Any) -> None:
    endpoint.reply = lambda message: [sent]
    with pytest.raises(JudgeError, match=rf"^judge m at {endpoint.url}: ") as caught:
        ask(endpoint, ["a"])
    assert len(str(caught.value).splitlines()) == 1


def test_a_reply_of_null_is_unscored(endpoint: FakeEndpoint) -> None:
    endpoint.reply = lambda message: [{"choices": [{"message": {"content": None}}]}]
    assert np.isnan(ask(endpoint, ["a"])).all()


def test_no_secret_is_shown_or_kept(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    cache = tmp_path / "replies.jsonl"
    address = endpoint.url.replace("//", "//me:p%40ss@") + "?token=t0ken"
    endpoint.reply = lambda message: f'{{"score": 7}} {KEY} p@ss me:p%40ss token=t0ken'
    assert ask(endpoint, ["a"], cache=cache, base_url=address) == [0.7]
    assert not [secret for secret in (KEY, "p@ss", "p%40ss", "t0ken") if secret in cache.read_text()]
    assert cache.stat().st_mode & 0o777 == 0o600
    endpoint.reply = lambda message: 401
    with pytest.raises(JudgeError) as caught:
        ask(endpoint, ["b"], base_url=address)
    assert str(caught.value).startswith(f"judge m at {endpoint.url}: ")
    assert "ss" not in str(caught.value).removeprefix("judge m at")


@pytest.mark.parametrize("address", ["http://", "http://[::1", "http://me:secret@", "ftp://me:secret@host"])
def test_an_address_without_a_host_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        parse(JudgeSettings, {"base_url": address, "model": "m"}, "judge.yaml")
    assert "secret" not in str(caught.value)


def test_no_server_is_one_line(endpoint: FakeEndpoint) -> None:
    with pytest.raises(JudgeError, match=r"^judge m at http://127\.0\.0\.1:9/v1: Connection error\.$"):
        ask(endpoint, ["a"], base_url="http://127.0.0.1:9/v1")


def test_the_key_comes_from_the_environment(endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the environment variable NO_SUCH_KEY is not set"):
        ask(endpoint, ["a"], api_key_env="NO_SUCH_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(endpoint, ["a"], api_key_env=None) == [0.7]


def test_settings_are_strict() -> None:
    right = {"base_url": "http://127.0.0.1/v1", "model": "m"}
    for wrong in ({"base_url": "localhost"}, {"api_key": KEY}, {"template": "no place"}, {"concurrency": 0}):
        with pytest.raises(ValidationError):
            JudgeSettings(**{**right, **wrong})
    for template in ("$output and $answer", "$output for 5 $"):
        with pytest.raises(ValidationError, match="template"):
            JudgeSettings(**right, template=template)


def test_samples_must_fit(endpoint: FakeEndpoint) -> None:
    settings = JudgeSettings(base_url=endpoint.url, model="m")
    with pytest.raises(DataError, match="1 prompts, but 2 outputs"):
        judge(["p"], ["a", "b"], [[], []], settings)
    assert judge([], [], [], settings).shape == (0,)


def test_the_missing_extra_is_named(endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"pip install 'stillright\[judge\]'$"):
        ask(endpoint, ["a"])
