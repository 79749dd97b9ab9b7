"""Talking to a ComfyUI: queueing, waiting on the web socket, fetching, and what its errors mean."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from service.errors import Conflict, InvalidInput
from service.generation.comfyui.workflow import Graph

logger = logging.getLogger(__name__)

ANSWER_S = 30.0
BACK_S = 120.0
"""How long a ComfyUI that went away is waited for, as when it is restarted."""
FIRST_S = 3.0
"""And one that has never answered: most likely the address is wrong, or it was not started."""
SILENCE_S = 5.0
"""After so long without a message the history is asked, so that a lost message is no hang."""
UNSEEN_S = 2.0
"""So long neither queue nor history may know a workflow: it is in neither for a moment when it ends."""
_LOOK_AGAIN_S = 0.2
MAX_IMAGE_BYTES = 256 << 20
MAX_MESSAGE_BYTES = 64 << 20

OnStep = Callable[[int, int], None]


class WorkflowFailed(InvalidInput):
    """ComfyUI refused the workflow, or a node of it failed."""


class ComfyUILost(Conflict):
    """ComfyUI does not answer, or has forgotten what it was asked for."""


class ComfyUIClient:
    """One client of one ComfyUI.

    Args:
        host: ``127.0.0.1:8188``.
        back_s: how long to wait for it when it goes away.
    """

    def __init__(self, host: str, *, back_s: float = BACK_S) -> None:
        self._host = host
        self._name = uuid.uuid4().hex
        self._back_s = back_s
        # The user's proxies are for other machines than this one.
        self._http = httpx.Client(base_url=f"http://{host}", timeout=ANSWER_S, trust_env=False)
        self._socket: ClientConnection | None = None
        self._met = False
        self._left_out = self._warned = ""

    def get(self, path: str, **query: str) -> Any:
        """An answer as JSON; ``None`` for 404.

        Raises:
            ComfyUILost: there is no answer.
        """
        answer = self._ask("GET", path, params=query)
        if answer.status_code == 404:
            return None
        try:
            return answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError) as error:
            raise ComfyUILost(f"ComfyUI at {self._host} gave no usable answer to {path}: {error}") from error

    def queue(self, graph: Graph) -> str:
        """Queue a workflow and return its id.

        ComfyUI runs what it can of a workflow; what it left out, and why, is said as a warning, and by :meth:`why_not`.

        Raises:
            WorkflowFailed: it was refused; the message names the nodes at fault.
        """
        self._listen()
        self._left_out = ""
        own = str(uuid.uuid4())  # older versions give a name of their own instead
        wanted = {"prompt": graph, "client_id": self._name, "prompt_id": own}
        try:
            answer = self._ask("POST", "/prompt", json=wanted)
        except ComfyUILost as error:
            # It may have been queued and only the answer be late or lost: then it is neither queued twice nor left.
            never_arrived = isinstance(error.__cause__, httpx.ConnectError)
            if never_arrived or not self._met or self._is_forgotten(own):
                raise
            return own
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if answer.status_code != 200 or not isinstance(body.get("prompt_id"), str):
            raise WorkflowFailed(
                f"ComfyUI refuses the workflow: {refusal(body, graph) or f'HTTP {answer.status_code}'}"
            )
        self._left_out = refusal({"node_errors": body.get("node_errors")}, graph)
        if self._left_out and self._left_out != self._warned:
            self._warned = self._left_out
            logger.warning("ComfyUI runs the workflow only in part: %s", self._left_out)
        return str(body["prompt_id"])

    def why_not(self) -> str:
        """Why ComfyUI runs the last workflow only in part, in words; empty if it runs it whole."""
        return self._left_out

    def wait(self, prompt_id: str, graph: Graph, on_step: OnStep) -> Mapping[str, Any]:
        """Wait until a workflow has ended and return its outputs by node.

        Raises:
            WorkflowFailed: a node failed, or somebody interrupted it.
            ComfyUILost: ComfyUI went away for too long, or was restarted and has forgotten it.
        """
        while True:
            ended = self.get(f"/history/{prompt_id}")
            if ended and prompt_id in ended:
                return _outputs(ended[prompt_id], graph)
            if self._is_forgotten(prompt_id):
                raise ComfyUILost(f"ComfyUI at {self._host} was restarted and has forgotten the workflow")
            self._follow(prompt_id, graph, on_step)

    def waiting(self) -> int:
        """How many workflows wait or run, anybody's."""
        found = self.get("/prompt") or {}
        return int(found.get("exec_info", {}).get("queue_remaining", 0))

    def image(self, image: Mapping[str, Any]) -> bytes:
        """The bytes of an image that a workflow has saved.

        Raises:
            ComfyUILost: it cannot be fetched.
        """
        query = {name: str(image.get(name, "")) for name in ("filename", "subfolder", "type")}
        answer = self._ask("GET", "/view", params=query)
        if answer.status_code != 200 or len(answer.content) > MAX_IMAGE_BYTES:
            raise ComfyUILost(f"ComfyUI has no image {query['filename']!r} any more (HTTP {answer.status_code})")
        return answer.content

    def cancel(self, prompt_ids: Sequence[str]) -> None:
        """Take workflows out of the queue, and interrupt the one that runs; other people's go on."""
        try:
            self._http.post("/queue", json={"delete": list(prompt_ids)})
            running = (self._http.get("/queue").json() or {}).get("queue_running", [])
            for entry in running:
                if entry[1] in prompt_ids:
                    self._http.post("/interrupt", json={"prompt_id": entry[1]})
        except (httpx.HTTPError, ValueError) as error:
            logger.warning("ComfyUI could not be told to stop: %s", error)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._http.close()

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask, and ask again while nobody answers; a POST only if it did not get through, so that none counts twice."""
        once = method == "POST"
        retried: Any = httpx.ConnectError if once else httpx.TransportError
        try:
            for attempt in self._patiently(retried):
                with attempt:
                    answer = self._http.request(method, path, **options)
            self._met = True
            return answer
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> ComfyUILost:
        return ComfyUILost(
            f"ComfyUI at {self._host} does not answer ({type(error).__name__}): start it, or correct the address"
        )

    def _patiently(self, *errors: type[Exception]) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(errors),
            wait=wait_exponential(multiplier=0.1, max=5.0),
            stop=stop_after_delay(self._back_s if self._met else min(self._back_s, FIRST_S)),
            reraise=True,
        )

    def _listen(self) -> ClientConnection:
        """The web socket, opened again under the same name if it was closed."""
        if self._socket is None:
            address = f"ws://{self._host}/ws?clientId={self._name}"
            try:
                for attempt in self._patiently(OSError, WebSocketException):
                    with attempt:
                        self._socket = connect(address, open_timeout=ANSWER_S, max_size=MAX_MESSAGE_BYTES, proxy=None)
            except (OSError, WebSocketException) as error:
                raise self._silent(error) from error
        assert self._socket is not None
        return self._socket

    def _follow(self, prompt_id: str, graph: Graph, on_step: OnStep) -> None:
        """Read messages until this workflow has ended, the line breaks, or it was silent for a while."""
        try:
            socket = self._listen()
            deadline = time.monotonic() + SILENCE_S
            while time.monotonic() < deadline:
                message = socket.recv(timeout=max(deadline - time.monotonic(), 0.01))
                if isinstance(message, bytes):
                    continue  # a preview picture
                kind, data = _parse(message)
                if data.get("prompt_id") != prompt_id:
                    continue
                deadline = time.monotonic() + SILENCE_S
                if kind == "progress":
                    on_step(int(data.get("value", 0)), int(data.get("max", 0)))
                if kind in ("execution_success", "execution_interrupted", "execution_error"):
                    return
                if kind == "executing" and data.get("node") is None:
                    return
        except TimeoutError:
            return
        except (OSError, WebSocketException):
            self._socket = None

    def _is_forgotten(self, prompt_id: str) -> bool:
        """Whether a workflow is neither waiting nor running nor done, seen several times."""
        until = time.monotonic() + UNSEEN_S
        while not self._is_queued(prompt_id) and not self.get(f"/history/{prompt_id}"):
            if time.monotonic() > until:
                return True
            time.sleep(_LOOK_AGAIN_S)
        return False

    def _is_queued(self, prompt_id: str) -> bool:
        queue = self.get("/queue") or {}
        entries = [*queue.get("queue_running", []), *queue.get("queue_pending", [])]
        return any(entry[1] == prompt_id for entry in entries)


def refusal(body: Mapping[str, Any], graph: Graph) -> str:
    """What a refused workflow's answer says, in words."""
    error = body.get("error")
    said = [_sentence(error)] if isinstance(error, dict) else [str(error)] if error else []
    for identifier, faults in (body.get("node_errors") or {}).items():
        for fault in faults.get("errors", []):
            said.append(
                f"node {identifier} ({faults.get('class_type') or _class(graph, identifier)}): {_sentence(fault)}"
            )
    return "; ".join(said)


def _sentence(error: Mapping[str, Any]) -> str:
    message, details = str(error.get("message", "")), str(error.get("details", ""))
    return f"{message}: {details}" if details else message


def _outputs(entry: Mapping[str, Any], graph: Graph) -> Mapping[str, Any]:
    status = entry.get("status") or {}
    if status.get("status_str") == "error":
        raise WorkflowFailed(_failure(status.get("messages") or [], graph))
    outputs: Mapping[str, Any] = entry.get("outputs") or {}
    return outputs


def _failure(messages: Sequence[Any], graph: Graph) -> str:
    for kind, data in messages:
        if kind == "execution_error":
            node = f"node {data.get('node_id')} ({data.get('node_type') or _class(graph, str(data.get('node_id')))})"
            problem = f"{data.get('exception_type', '')}: {data.get('exception_message', '')}".strip().strip(":")
            return f"ComfyUI's {node} failed: {problem.strip()}"
        if kind == "execution_interrupted":
            return "the workflow was interrupted in ComfyUI"
    return "the workflow failed in ComfyUI, which does not say why"


def _class(graph: Graph, identifier: str) -> str:
    return str(graph.get(identifier, {}).get("class_type", "unknown"))


def _parse(message: str) -> tuple[str, Mapping[str, Any]]:
    try:
        body = json.loads(message)
    except ValueError:
        return "", {}
    data = body.get("data") if isinstance(body, dict) else None
    return (str(body.get("type")), data) if isinstance(data, dict) else ("", {})
