"""What endpoints are handed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.evaluations.worker import Worker
from service.evaluations.workspace import Workspace


def get_workspace(request: Request) -> Workspace:
    """The server's data folder."""
    workspace: Workspace = request.app.state.workspace
    return workspace


def get_worker(request: Request) -> Worker | None:
    """The server's own executor, if it has one."""
    worker: Worker | None = request.app.state.worker
    return worker


Space = Annotated[Workspace, Depends(get_workspace)]
OwnWorker = Annotated[Worker | None, Depends(get_worker)]
