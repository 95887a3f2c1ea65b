"""The server's addresses: the page, its JSON interface and the files of runs."""

from __future__ import annotations

import errno
import json
import mimetypes
import os
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError, validate_call
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from artkit.config import plain_message
from artkit.errors import ArtkitError, UsageError
from artkit.studio.access import FILE_POLICY, Guard
from artkit.studio.films import playable_film
from artkit.studio.folder import StudioFolder, plain_error
from artkit.studio.painting_form import MAX_UPLOAD_BYTES, PaintingForm
from artkit.studio.studio import Studio
from artkit.studio.watching import without_nan

STATIC = Path(__file__).parent / "static"

_MAX_JSON_BYTES = 4 << 20
_PAGE_FILES = (".html", ".htm", ".svg", ".xml", ".xhtml")
_ERRORS = {UsageError: 400, ArtkitError: 409}

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(folder: StudioFolder, token: str, port: int) -> Starlette:
    """Return the application that serves a folder to those who know the token.

    Its `state.activity` tells when somebody has used it last.
    """
    Image.MAX_IMAGE_PIXELS = None  # pictures of runs are large; uploads are decoded with a limit of artkit's own
    studio = Studio(folder)
    app = Starlette(
        routes=_routes(studio), middleware=[Middleware(Guard, token=token, port=port, activity=studio.watcher.activity)]
    )
    app.state.studio, app.state.activity = studio, studio.watcher.activity
    return app


def _routes(studio: Studio) -> list[BaseRoute]:
    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    form, stored = studio.form, studio.stored
    return [
        Route("/", page),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/files/{path:path}", _reported(_file_endpoint(studio))),
        *_run_routes(studio),
        Route("/api/formats", _call(studio.formats)),
        Route("/api/schema", _call(form.schema)),
        Route("/api/recipes", _call(form.list_recipes)),
        Route("/api/recipes/load", _call(form.load_recipe), methods=["POST"]),
        Route("/api/recipes/picture", _call(form.replace_picture), methods=["POST"]),
        Route("/api/recipes/format", _call(form.format_recipe), methods=["POST"]),
        Route("/api/recipes/parse", _call(form.parse_recipe), methods=["POST"]),
        Route("/api/recipes/save", _call(form.save_recipe), methods=["POST"]),
        Route("/api/uploads", _reported(_upload_endpoint(form)), methods=["POST"]),
        Route("/api/picture", _image(form.picture)),
        Route("/api/brushes", _call(form.list_brushes)),
        Route("/api/brush", _image(form.brush)),
        Route("/api/files", _call(stored.list_files)),
        Route("/api/uploads/{name}", _call(form.describe_upload), methods=["GET"]),
        Route("/api/uploads/{name}", _call(stored.delete_upload), methods=["DELETE"]),
        Route("/api/recipes/{name}", _call(stored.delete_recipe), methods=["DELETE"]),
        Route("/api/trash/{trashed}/restore", _call(stored.restore), methods=["POST"]),
    ]


def _run_routes(studio: Studio) -> list[BaseRoute]:
    run = "/api/runs/{name:path}"
    return [
        Route("/api/runs", _call(studio.list_runs), methods=["GET"]),
        Route("/api/runs", _call(studio.start_run), methods=["POST"]),
        Route(run + "/events", _reported(_events_endpoint(studio))),
        Route(run + "/tiles/{level:int}/{column:int}/{row:int}", _image(studio.tile)),
        Route(run + "/thumbnail", _image(studio.thumbnail)),
        Route(run + "/target", _image(studio.target)),
        Route(run + "/recipe", _call(studio.run_recipe), methods=["GET"]),
        Route(run + "/film", _reported(_film_endpoint(studio))),
        Route(run + "/replay", _call(studio.start_replay), methods=["POST"]),
        Route(run + "/replay", _call(studio.replay), methods=["GET"]),
        Route(run + "/replay/{frame:int}", _image(studio.replay_frame)),
        Route(run + "/exports", _call(studio.start_export), methods=["POST"]),
        Route(run + "/exports", _call(studio.export_state), methods=["GET"]),
        Route(run + "/steer", _call(studio.steer_run), methods=["POST"]),
        Route(run + "/stop", _call(studio.stop_run), methods=["POST"]),
        Route(run, _call(studio.run_details), methods=["GET"]),
        Route(run, _call(studio.delete_run), methods=["DELETE"]),
    ]


def _call(method: Callable[..., Any]) -> Endpoint:
    """Return an endpoint that calls a method of the studio with the names in the path and the JSON of the body."""

    async def endpoint(request: Request) -> Response:
        values = await _json_body(request) if request.method in ("POST", "PUT", "DELETE") else {}
        arguments = {**dict(request.query_params), **values, **request.path_params}
        arguments.pop("token", None)
        return JSONResponse(without_nan(await run_in_threadpool(_apply, method, arguments)))

    return _reported(endpoint)


def _image(method: Callable[..., bytes]) -> Endpoint:
    """Return an endpoint that answers with a JPEG. With a version in its address it may be cached."""

    async def endpoint(request: Request) -> Response:
        arguments: dict[str, Any] = {**dict(request.query_params), **request.path_params}
        version = arguments.pop("v", None)
        arguments.pop("token", None)
        content = await run_in_threadpool(_apply, method, arguments)
        cache = "private, max-age=86400, immutable" if version else "no-store"
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": cache})

    return _reported(endpoint)


def _apply(method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a method with arguments from a request. Raises UsageError for missing, unknown and wrong ones."""
    try:
        return validate_call(method)(**arguments)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"the request is wrong: {place}: {plain_message(first)}") from None


def _events_endpoint(studio: Studio) -> Endpoint:
    async def events(request: Request) -> Response:
        name = request.path_params["name"]
        studio.watcher.reader(name)
        return EventSourceResponse(studio.watcher.events(name), ping=15)

    return events


def _upload_endpoint(form: PaintingForm) -> Endpoint:
    async def upload(request: Request) -> Response:
        content = await read_body(request, MAX_UPLOAD_BYTES)
        name = request.query_params.get("name", "picture")
        return JSONResponse(await run_in_threadpool(form.upload, name, content))

    return upload


def _file_endpoint(studio: Studio) -> Endpoint:
    async def file(request: Request) -> Response:
        path = studio.folder.inside(request.path_params["path"])
        if not path.is_file():
            raise UsageError(f"there is no file {request.path_params['path']}")
        headers = {"Content-Security-Policy": FILE_POLICY} if path.suffix.lower() in _PAGE_FILES else {}
        name = path.name if request.query_params.get("download") else None
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return _OpenedFile(path, headers=headers, filename=name, media_type=kind)

    return file


def _film_endpoint(studio: Studio) -> Endpoint:
    async def film(request: Request) -> Response:
        reader = studio.watcher.reader(request.path_params["name"])
        return _OpenedFile(await run_in_threadpool(playable_film, reader), media_type="video/mp4")

    return film


class _OpenedFile(FileResponse):
    """A file that is sent to its end though it may be deleted meanwhile. Raises OSError if it cannot be opened."""

    def __init__(self, path: Path, **options: Any) -> None:
        self._stream = path.open("rb")
        handle = self._stream.fileno()
        # Starlette opens a file after it has sent its length: the path could lead nowhere then, or to another file.
        super().__init__(f"/dev/fd/{handle}", stat_result=os.fstat(handle), **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stream:
            await super().__call__(scope, receive, send)


def _reported(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that answers errors of the user with their messages."""

    @wraps(endpoint)
    async def reported(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=499)
        except ArtkitError as error:
            return JSONResponse(plain_error(error), _ERRORS.get(type(error), 400))
        except RecursionError:
            return JSONResponse({"error": "the request is nested too deeply"}, 400)
        except UnicodeError:
            return JSONResponse({"error": "a text in the request is not valid Unicode"}, 400)
        except FileNotFoundError as error:
            name = Path(str(error.filename)).name
            return JSONResponse({"error": f"{name} was deleted meanwhile", "hint": "load the page again"}, 409)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return JSONResponse({"error": "a name in the request is too long"}, 400)
            return JSONResponse({"error": f"the disk does not answer as expected: {error.strerror}"}, 507)

    return reported


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body of a request. Raises UsageError as soon as it has more bytes than the limit."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise UsageError(f"this is larger than {limit >> 20} MB")
    return bytes(content)


async def _json_body(request: Request) -> dict[str, Any]:
    content = await read_body(request, _MAX_JSON_BYTES)
    if not content:
        return {}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise UsageError("the request must be JSON")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError("the request is not valid JSON") from None
    if not isinstance(values, dict):
        raise UsageError("the request must be an object")
    return values
