"""Everything that works on one data folder, put together once for the server and for the command line."""

from __future__ import annotations

import os
from pathlib import Path

from service.access.keys import KeyRing
from service.access.sessions import Sessions
from service.audits.service import AuditService
from service.cells.service import CellService
from service.database.engine import Database
from service.evaluations.events import Feed
from service.evaluations.executor import Models
from service.evaluations.local import LocalExecutor
from service.evaluations.opening import OpenedModels
from service.evaluations.service import EvaluationService
from service.library.service import SuiteLibrary
from service.reports.boards import Boards
from service.settings import Settings
from service.storage.checkpoints import CheckpointRegistry
from service.storage.files import whole_file
from service.storage.images import ImageStore
from service.storage.partial import PartialUploads


class Workspace:
    """A data folder, opened.

    Args:
        settings: where it lies and what the operator wants.
        models: what opens generators and detectors; the real ones by default.
    """

    def __init__(self, settings: Settings, models: Models | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.url)
        self.images = ImageStore(settings.images_dir, settings.image_format)
        self.keys = KeyRing(self.database, settings.key.get_secret_value() if settings.key else None)
        self.sessions = Sessions(settings.data_dir)
        self.registry = CheckpointRegistry(self.database, settings.uploads_dir)
        self.partial = PartialUploads(settings.uploads_dir / "incoming", settings.max_upload_bytes)
        self.evaluations = EvaluationService(self.database, self.images)
        self.audits = AuditService(self.database)
        self.evaluations.audited = self.audits.summary
        self.models = models or OpenedModels(settings.card)
        self.executor = LocalExecutor(self.database, self.images, self.registry, self.models)
        self.library = SuiteLibrary(self.database)
        self.boards = Boards(self.evaluations)
        self.feed = Feed(self.evaluations)
        self.cells = CellService(self.database, self.images, self.models)

    def write_report(self, evaluation_id: str) -> Path:
        """Write an evaluation's report as a page into the data folder and return its path.

        Pictures are linked relative to the page, so the data folder can be moved or copied as a whole.
        """
        from service.reports import render_report

        page = self.settings.reports_dir.resolve() / f"{evaluation_id}.html"

        def address(sha256: str) -> str:
            return os.path.relpath(self.images.path(sha256).resolve(), page.parent).replace(os.sep, "/")

        content = render_report(self.evaluations.report(evaluation_id, address))
        with whole_file(page) as file:
            file.write(content.encode())
        return page

    def close(self) -> None:
        """Close the database."""
        self.database.close()
