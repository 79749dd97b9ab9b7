"""A ComfyUI for tests: the routes, fields and messages of the real one, with a painter in place of a model.

What it paints depends on every input, so that a value that does not arrive shows in the picture. It validates graphs as
the real one does, runs them one after the other, keeps a history, and can fail in the ways the real one does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

LORAS = ["kk_epoch4.safetensors", "run/kk_epoch8.safetensors"]
MODELS = {
    "loras": LORAS,
    "diffusion_models": ["anima-base-v1.0.safetensors", "other.safetensors"],
    "text_encoders": ["qwen_3_06b_base.safetensors"],
    "vae": ["qwen_image_vae.safetensors"],
}
# Required inputs of each node, and for choices what may be chosen.
NODES: dict[str, dict[str, Any]] = {
    "UNETLoader": {"unet_name": MODELS["diffusion_models"], "weight_dtype": ["default"]},
    "CLIPLoader": {"clip_name": MODELS["text_encoders"], "type": ["stable_diffusion", "qwen_image"]},
    "VAELoader": {"vae_name": MODELS["vae"]},
    "LoraLoaderModelOnly": {"model": None, "lora_name": LORAS, "strength_model": None},
    "LoraLoader": {"model": None, "clip": None, "lora_name": LORAS, "strength_model": None, "strength_clip": None},
    "CLIPTextEncode": {"clip": None, "text": None},
    "EmptyLatentImage": {"width": None, "height": None, "batch_size": None},
    "KSampler": dict.fromkeys(("model", "positive", "negative", "latent_image", "seed", "steps", "cfg", "denoise"))
    | {"sampler_name": ["er_sde", "euler"], "scheduler": ["simple"]},
    "VAEDecode": {"samples": None, "vae": None},
    "SaveImage": {"images": None, "filename_prefix": None},
}


class FakeComfyUI:
    """The state of one ComfyUI."""

    def __init__(self) -> None:
        self.history: dict[str, Any] = {}
        self.images: dict[str, bytes] = {}
        self.pending: list[tuple[int, str, Any, str]] = []
        self.running: tuple[int, str, Any, str] | None = None
        self.sockets: dict[str, WebSocket] = {}
        self.graphs: list[Any] = []
        self.connections = 0
        self.interrupted: set[str] = set()
        self.metadata: dict[str, dict[str, str]] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self.drop_lines = 0
        self.silent = False
        self.forget = 0
        self.hidden = 0
        self.late_s = 0.0
        self.saves = "PNG"
        self.number = 0

    def app(self) -> Starlette:
        routes = [
            Route("/prompt", self.post_prompt, methods=["POST"]),
            Route("/prompt", self.get_prompt),
            Route("/queue", self.get_queue),
            Route("/queue", self.post_queue, methods=["POST"]),
            Route("/interrupt", self.post_interrupt, methods=["POST"]),
            Route("/history/{prompt_id}", self.get_history),
            Route("/view", self.get_view),
            Route("/view_metadata/{folder}", self.get_metadata),
            Route("/models/{folder}", self.get_models),
            Route("/system_stats", self.get_system),
            WebSocketRoute("/ws", self.socket),
        ]

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            task = asyncio.create_task(self.work())
            yield
            task.cancel()

        return Starlette(routes=routes, lifespan=lifespan)

    async def post_prompt(self, request: Request) -> Response:
        body = await request.json()
        graph = body["prompt"]
        error, node_errors, outputs = validate(graph)
        if error:
            return JSONResponse({"error": error, "node_errors": node_errors}, 400)
        prompt_id = body.get("prompt_id") or str(uuid.uuid4())
        self.number += 1
        self.graphs.append(graph)
        if self.forget:
            self.forget -= 1
        else:
            wanted = set().union(*(above(graph, output) for output in outputs))
            valid = {identifier: node for identifier, node in graph.items() if identifier in wanted}
            self.pending.append((self.number, prompt_id, valid, body.get("client_id", "")))
        await asyncio.sleep(self.late_s)
        return JSONResponse({"prompt_id": prompt_id, "number": self.number, "node_errors": node_errors})

    async def get_prompt(self, request: Request) -> Response:
        waiting = len(self.pending) + (self.running is not None)
        return JSONResponse({"exec_info": {"queue_remaining": waiting}})

    async def get_queue(self, request: Request) -> Response:
        def entry(item: tuple[int, str, Any, str]) -> list[Any]:
            return [item[0], item[1], item[2], {"client_id": item[3]}, ["save"]]

        if self.hidden:  # between the end of the work and the entry in the history
            self.hidden -= 1
            return JSONResponse({"queue_running": [], "queue_pending": []})
        running = [entry(self.running)] if self.running else []
        return JSONResponse({"queue_running": running, "queue_pending": [entry(item) for item in self.pending]})

    async def post_queue(self, request: Request) -> Response:
        gone = set((await request.json()).get("delete", []))
        self.pending = [item for item in self.pending if item[1] not in gone]
        return Response(status_code=200)

    async def post_interrupt(self, request: Request) -> Response:
        body = await request.json() if await request.body() else {}
        if self.running and body.get("prompt_id") in (None, self.running[1]):
            self.interrupted.add(self.running[1])
        return Response(status_code=200)

    async def get_history(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        seen = prompt_id in self.history and not self.hidden
        return JSONResponse({prompt_id: self.history[prompt_id]} if seen else {})

    async def get_view(self, request: Request) -> Response:
        content = self.images.get(request.query_params.get("filename", ""))
        return Response(content, media_type="image/png") if content else Response(status_code=404)

    async def get_metadata(self, request: Request) -> Response:
        found = self.metadata.get(request.query_params.get("filename", ""))
        return JSONResponse(found) if found is not None else Response(status_code=404)

    async def get_models(self, request: Request) -> Response:
        found = MODELS.get(request.path_params["folder"])
        return JSONResponse(found) if found is not None else Response(status_code=404)

    async def get_system(self, request: Request) -> Response:
        system = {"comfyui_version": "0.3.75", "pytorch_version": "2.9.0+cu128", "os": "posix"}
        device = {"name": "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "type": "cuda", "index": 0}
        return JSONResponse({"system": system, "devices": [device]})

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        name = websocket.query_params.get("clientId", "")
        self.connections += 1
        self.sockets[name] = websocket
        await websocket.send_json(
            {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": name}}
        )
        try:
            while True:
                await websocket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            if self.sockets.get(name) is websocket:
                del self.sockets[name]

    async def tell(self, client: str, kind: str, **data: Any) -> None:
        line = self.sockets.get(client)
        if line is None or self.silent:
            return
        if self.drop_lines:
            self.drop_lines -= 1
            del self.sockets[client]
            await line.close()
            return
        try:
            await line.send_json({"type": kind, "data": data})
        except RuntimeError:
            self.sockets.pop(client, None)

    async def work(self) -> None:
        while True:
            await self.hold.wait()
            if not self.pending:
                await asyncio.sleep(0.005)
                continue
            self.running = self.pending.pop(0)
            _, prompt_id, graph, client = self.running
            messages: list[Any] = [["execution_start", {"prompt_id": prompt_id}]]
            await self.tell(client, "execution_start", prompt_id=prompt_id)
            outputs, status = await self.execute(prompt_id, graph, client, messages)
            entry = {"prompt": [0, prompt_id, graph, {}, []], "outputs": outputs}
            success = status == "success"
            entry["status"] = {"status_str": status, "completed": success, "messages": messages}
            self.history[prompt_id] = entry
            self.running = None
            if success:
                await self.tell(client, "execution_success", prompt_id=prompt_id)
            await self.tell(client, "executing", node=None, prompt_id=prompt_id)

    async def execute(self, prompt_id: str, graph: Any, client: str, messages: list[Any]) -> tuple[Any, str]:
        outputs: dict[str, Any] = {}
        for identifier, node in graph.items():
            await self.tell(client, "executing", node=identifier, prompt_id=prompt_id)
            if node["class_type"] == "KSampler":
                for step in range(int(node["inputs"]["steps"])):
                    await self.tell(
                        client, "progress", value=step + 1, max=node["inputs"]["steps"], prompt_id=prompt_id
                    )
                    await asyncio.sleep(0.002)
            while "SLOW" in str(node["inputs"].get("text", "")) and prompt_id not in self.interrupted:
                await asyncio.sleep(0.005)
            if prompt_id in self.interrupted:
                data = {"prompt_id": prompt_id, "node_id": identifier, "node_type": node["class_type"], "executed": []}
                messages.append(["execution_interrupted", data])
                await self.tell(client, "execution_interrupted", **data)
                return outputs, "error"
            if "OOM" in str(node["inputs"].get("text", "")):
                data = {
                    "prompt_id": prompt_id,
                    "node_id": identifier,
                    "node_type": node["class_type"],
                    "executed": [],
                    "exception_message": "Allocation on device",
                    "exception_type": "torch.OutOfMemoryError",
                    "traceback": ["…"],
                    "current_inputs": {},
                    "current_outputs": [],
                }
                messages.append(["execution_error", data])
                await self.tell(client, "execution_error", **data)
                return outputs, "error"
            if node["class_type"] == "SaveImage":
                outputs[identifier] = {"images": self.save(graph)}
                await self.tell(client, "executed", node=identifier, output=outputs[identifier], prompt_id=prompt_id)
        return outputs, "success"

    def save(self, graph: Any) -> list[dict[str, str]]:
        size = next(node["inputs"] for node in graph.values() if node["class_type"] == "EmptyLatentImage")
        saved = []
        for number in range(size["batch_size"]):
            name = f"image_{len(self.images):05}_.png"
            self.images[name] = paint(graph, size["width"], size["height"], number, self.saves)
            saved.append({"filename": name, "subfolder": "bleedcheck", "type": "output"})
        return saved


def above(graph: Any, identifier: str) -> set[str]:
    """A node and every node that it takes something from."""
    links = [value[0] for value in graph[identifier]["inputs"].values() if isinstance(value, list)]
    return {identifier}.union(*(above(graph, each) for each in links if each in graph))


def validate(graph: Any) -> tuple[Any, Any, list[str]]:
    """The two kinds of refusal of the real one, of the whole graph and of nodes; and the outputs that can be made.

    One output that can be made is enough: then faults elsewhere are no refusal.
    """
    node_errors: dict[str, Any] = {}
    for identifier, node in graph.items():
        if node["class_type"] not in NODES:
            message = f"Cannot execute because node {node['class_type']} does not exist."
            return {"type": "missing_node_type", "message": message, "details": f"Node ID '#{identifier}'"}, {}, []
        faults = []
        for name, choices in NODES[node["class_type"]].items():
            value = node["inputs"].get(name)
            if value is None:
                faults.append(
                    {"type": "required_input_missing", "message": "Required input is missing", "details": name}
                )
            elif choices is not None and value not in choices:
                details = f"{name}: '{value}' not in {choices}"
                faults.append({"type": "value_not_in_list", "message": "Value not in list", "details": details})
            elif isinstance(value, list) and value[0] not in graph:
                faults.append({"type": "exception_during_validation", "message": "Bad link", "details": name})
        if faults:
            node_errors[identifier] = {"errors": faults, "dependent_outputs": [], "class_type": node["class_type"]}
    outputs = [identifier for identifier, node in graph.items() if node["class_type"] == "SaveImage"]
    if not outputs:
        return {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": ""}, {}, []
    good = [output for output in outputs if not above(graph, output) & set(node_errors)]
    if not good:
        error = {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "",
        }
        return error, node_errors, []
    return None, node_errors, good


def paint(graph: Any, width: int, height: int, number: int, saves: str) -> bytes:
    essence = {key: (node["class_type"], node["inputs"]) for key, node in graph.items()}
    digest = hashlib.sha256(json.dumps([essence, number], sort_keys=True).encode()).digest()
    noise = np.random.default_rng(list(digest)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, saves)
    return buffer.getvalue()


@contextmanager
def running(fake: FakeComfyUI, port: int = 0) -> Iterator[str]:
    """Serve it on a free port of this machine; gives host and port."""
    server = uvicorn.Server(uvicorn.Config(fake.app(), port=port, log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        threading.Event().wait(0.01)
    own = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{own}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
