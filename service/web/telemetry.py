"""Request ids, one log line a request, and what Prometheus reads."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.problems import answer_to

REQUEST_ID = "x-request-id"
_USABLE_ID = re.compile(r"[\w.-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_CLIENT_GONE = 499
"""What is logged for a client that has hung up before its request was whole; it gets no answer."""
logger = structlog.get_logger(__name__)


class Metrics:
    """The meters of one application, in a registry of their own, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self.requests = Counter("bleedcheck_http_requests", "Requests.", labels, registry=self.registry)
        self.seconds = Histogram(
            "bleedcheck_http_request_seconds",
            "Seconds until an answer was sent.",
            ["route"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.open = Gauge("bleedcheck_http_open_requests", "Requests that are being answered.", registry=self.registry)
        self.evaluations = Gauge("bleedcheck_evaluations", "Evaluations by status.", ["status"], registry=self.registry)


class Telemetry:
    """The outermost ASGI middleware: names, times, counts and logs every request, and answers what nobody caught."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = scope.setdefault("state", {})["request_id"] = _request_id(scope)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = name
            await send(message)

        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=name), self._metrics.open.track_inprogress():
            try:
                await self._app(scope, receive, watched)
            except ClientDisconnect:
                status = status or _CLIENT_GONE
            except Exception as error:
                if status:  # the answer has begun: it can only be broken off
                    logger.error("answer broken off", path=scope["path"], exc_info=error)
                    raise
                await answer_to(error, scope)(scope, receive, watched)
            finally:
                self._note(scope, status, time.monotonic() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        logger.info("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 1))


def _request_id(scope: Scope) -> str:
    """The id a proxy has given, if it can stand in a log, or a new one."""
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _USABLE_ID.fullmatch(given) else secrets.token_hex(8)
