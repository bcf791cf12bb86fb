# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: takes requests apart, checks them and calls the handler."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import inspect
import json
import re
import time
import traceback
import typing
import urllib.parse
import uuid

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

# The handler modules register their routes when they are imported.
from lab.arm import (
    auth,
    compute,
    dns,
    endpoints,
    errors,
    ids,
    metadata,
    metrics,
    network,
    polling,
    prices,
    resources,
    security,
    shares,
    storage,
)
from lab.arm.cloud import ROUTES, Answer, Call, Cloud
from lab.arm.control import control
from lab.arm.errors import ArmError
from lab.arm.exports import LINKS
from lab.arm.faults import Rule
from lab.arm.ids import Target
from lab.arm.store import timestamp

HANDLERS = (compute, dns, endpoints, network, polling, resources, security, shares, storage)
# What any resource can be asked besides, by the end of the path.
EXTENSIONS: tuple[tuple[re.Pattern, typing.Callable], ...] = (
    (re.compile(r"/providers/Microsoft\.Resources/tags/default/?$", re.IGNORECASE), resources.tags_at_scope),
    (metrics.SUFFIX, metrics.list_metrics),
)
# Children with a location of their own: asked for without their parent, the Resource Manager misses themselves.
TRACKED_CHILDREN = {LINKS}
METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]
Ready = typing.Callable[[], None]


def application(cloud: Cloud, ready: Ready, drop: typing.Callable[[Request], None]) -> Starlette:
    """The application; ``ready`` is called when it serves, ``drop`` closes the connection of a request."""

    async def entry(request: Request) -> Response:
        return await _Exchange(cloud, request, drop).answer()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> typing.AsyncIterator[None]:
        cloud.operations.resume()
        await cloud.settle()
        ready()
        flushing = asyncio.get_running_loop().create_task(_flush(cloud))
        yield
        flushing.cancel()
        await cloud.operations.stop()
        cloud.store.save(at_once=True)

    return Starlette(routes=[StarletteRoute("/{path:path}", entry, methods=METHODS)], lifespan=lifespan)


async def _flush(cloud: Cloud) -> None:
    """Write from time to time what saving has put off."""
    while True:
        await asyncio.sleep(0.2)
        cloud.store.flush()


class _Exchange:
    """One request and its answer."""

    def __init__(self, cloud: Cloud, request: Request, drop: typing.Callable[[Request], None]):
        self.cloud = cloud
        self.request = request
        self.drop = drop
        self.method = request.method
        self.path = "/" + request.url.path.strip("/")
        self.raw = b""

    async def answer(self) -> Response:
        """Answer, and write the request log."""
        self.raw = await self.request.body()
        if self.path.startswith("/_lab"):
            return self._response(await self._control())
        start, moment = time.monotonic(), timestamp()
        answer = await self._with_faults()
        self.cloud.log.add(
            {
                "time": moment,
                "duration": round(time.monotonic() - start, 4),
                "method": self.method,
                "path": self.path,
                "query": dict(self.request.query_params),
                "status": answer.status,
                "body": self._logged_body(),
            }
        )
        if answer.status == 0:
            self.drop(self.request)
        return self._response(answer)

    async def _control(self) -> Answer:
        if not hmac.compare_digest(self.request.headers.get("x-lab-key", ""), self.cloud.identity.lab_key):
            return Answer(401, {"error": "The header x-lab-key is missing or wrong."})
        return await control(self.cloud, self.method, self.path, json.loads(self.raw) if self.raw else None)

    async def _with_faults(self) -> Answer:
        """Apply a fault rule, if one matches; a status of 0 stands for a dropped connection."""
        rule = self.cloud.faults.find(self.method, self.path)
        if rule is None:
            return await self._guarded(None)
        await asyncio.sleep(float(rule.spec.get("delay", 0)))
        if not (rule.answers or rule.spec.get("drop")):
            return await self._guarded(rule)
        if rule.spec.get("after"):
            await self._guarded(rule)
        if rule.spec.get("drop"):
            return Answer(0)
        return Answer(rule.spec["status"], rule.body(), dict(rule.spec.get("headers", {})))

    async def _guarded(self, rule: Rule | None) -> Answer:
        try:
            return await self._serve(rule)
        except auth.OAuthError as error:
            return Answer(error.status, error.body())
        except ArmError as error:
            return Answer(error.status, error.body(), error.headers)
        except Exception as error:
            traceback.print_exc()
            return Answer(
                500, {"error": {"code": "InternalServerError", "message": f"{type(error).__name__}: {error}"}}
            )

    async def _serve(self, rule: Rule | None) -> Answer:
        base, identity = self.cloud.base_url, self.cloud.identity
        if self.path == "/metadata/endpoints":
            return Answer(200, metadata.endpoints(base, identity.tenant, self._api_version()))
        if self.path == prices.PATH and self.method == "GET":
            return await self._prices()
        discovery = re.fullmatch(r"/([^/]+)(?:/v2\.0)?/\.well-known/openid-configuration", self.path)
        if discovery:
            return Answer(200, auth.openid_configuration(base, discovery.group(1), identity))
        token = re.fullmatch(r"/([^/]+)/oauth2/v2\.0/token", self.path)
        if token and self.method == "POST":
            form = dict(urllib.parse.parse_qsl(self.raw.decode()))
            return Answer(200, auth.issue_token(form, base, token.group(1), identity, self.cloud.trusted))
        if self.path == "/msi/token" and self.method == "GET":
            header = self.request.headers.get("x-identity-header")
            query = self.request.query_params
            return Answer(200, auth.managed_identity_token(query, header, base, identity, self.cloud.trusted))
        if self.path == "/metadata/identity/oauth2/token" and self.method == "GET":
            header = self.request.headers.get("metadata")
            query = self.request.query_params
            return Answer(200, auth.instance_metadata_token(query, header, base, identity, self.cloud.trusted))
        auth.check_token(self.request.headers.get("authorization"), base, identity)
        return await self._manage(rule)

    async def _prices(self) -> Answer:
        await asyncio.sleep(self.cloud.profile.read)
        try:
            return Answer(200, prices.answer(self.cloud.base_url, self.request.query_params, self.cloud.page_size))
        except prices.BadQuery as error:
            return Answer(400, error.body())

    async def _manage(self, rule: Rule | None) -> Answer:
        """A request to the Resource Manager proper."""
        self._api_version()
        path, extension = self.path, None
        for suffix, found in EXTENSIONS:
            if suffix.search(path):
                path, extension = suffix.sub("", path), found
        target = ids.parse(path)
        if target is None:
            raise ArmError(404, "InvalidResourceType", f"No resource is found at '{self.path}'.")
        self._check_subscription(target)
        call = Call(
            cloud=self.cloud,
            method=self.method,
            target=self._spelt(target),
            query={self._query_key(key): value for key, value in self.request.query_params.items()},
            headers=self.request.headers,
            body=self._json_body(),
            operation_error=rule.spec.get("fail_operation") if rule else None,
        )
        reading = self.method in ("GET", "HEAD")
        await asyncio.sleep(self.cloud.profile.read if reading else self.cloud.profile.write)
        handler = extension or self._handler(call)
        answer = handler(call)
        if inspect.isawaitable(answer):
            answer = await answer
        if not reading:
            await self.cloud.settle()
        return typing.cast(Answer, answer)

    def _handler(self, call: Call) -> typing.Callable:
        target = call.target
        found = ROUTES.get((self.method, target.type.lower(), target.is_item))
        if found is None and self.method == "HEAD" and target.is_item:
            return _exists
        if found is None:
            raise self._no_route(target)
        if target.group:
            self._check_group(target)
        nested = len(target.types) > 1 and target.group
        if nested and not found.orphan and self.cloud.store.get(target.root.id) is None:
            if self.method == "PUT":
                raise errors.parent_not_found(target)
            raise errors.resource_not_found(target if target.type in TRACKED_CHILDREN else target.root)
        return found.handler

    def _check_group(self, target: Target) -> None:
        group = self.cloud.store.get(f"/subscriptions/{target.subscription}/resourceGroups/{target.group}")
        if group is None:
            raise errors.resource_group_not_found(str(target.group))
        if self.method == "PUT" and group["properties"]["provisioningState"] == "Deleting":
            raise ArmError(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{target.group}' is in deprovisioning state and cannot perform this operation.",
            )

    def _no_route(self, target: Target) -> ArmError:
        if target.provider.lower() not in ids.PROVIDERS:
            return ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{target.provider}' is invalid.")
        if target.type.lower() not in ids.CANONICAL_TYPES:
            kind = target.type.split("/", 1)[1]
            return ArmError(
                404,
                "InvalidResourceType",
                f"The resource type '{kind}' could not be found in the namespace '{target.provider}' for api version "
                f"'{self._api_version()}'.",
            )
        return ArmError(
            405, "UnsupportedHttpMethod", f"The requested resource does not support http method '{self.method}'."
        )

    def _check_subscription(self, target: Target) -> None:
        asked = target.subscription
        if asked is None:
            return
        try:
            uuid.UUID(asked)
        except ValueError:
            raise ArmError(
                400,
                "InvalidSubscriptionId",
                f"The provided subscription identifier '{asked}' is malformed or invalid.",
            ) from None
        if asked.lower() not in self.cloud.subscriptions:
            raise resources.subscription_not_found(asked)

    def _spelt(self, target: Target) -> Target:
        """The target with the spelling under which group and top-level resource were created."""
        store = self.cloud.store
        if target.group:
            group = store.get(f"/subscriptions/{target.subscription}/resourceGroups/{target.group}")
            if group:
                target = Target(target.subscription, group["name"], target.provider, target.types, target.names)
        root = store.get(target.root.id) if target.names else None
        if root:
            names = (root["name"],) + target.names[1:]
            target = Target(target.subscription, target.group, target.provider, target.types, names)
        return target

    def _api_version(self) -> str:
        value = next((text for key, text in self.request.query_params.items() if key.lower() == "api-version"), "")
        if not value:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if not re.fullmatch(r"20\d\d-\d\d-\d\d(-[a-z]+)?", value):
            raise ArmError(
                400,
                "InvalidApiVersionParameter",
                f"The api-version '{value}' is invalid. The supported versions are dates such as '2025-04-01'.",
            )
        return value

    @staticmethod
    def _query_key(key: str) -> str:
        """Query names are not case-sensitive to Azure."""
        return key.lower() if key.startswith("$") or key.lower() == "api-version" else key

    def _json_body(self) -> dict:
        if not self.raw.strip():
            if self.method in ("PUT", "PATCH"):
                raise errors.invalid_content("The request body is empty")
            return {}
        try:
            body = json.loads(self.raw)
        except ValueError as error:
            raise errors.invalid_content(str(error)) from None
        if not isinstance(body, dict) or not isinstance(body.get("properties") or {}, dict):
            raise errors.invalid_content("The body is not an object")
        return body

    def _logged_body(self) -> typing.Any:
        """The body sent, without the secret of a token request."""
        if not self.raw or self.path.endswith("/token"):
            return None
        try:
            return json.loads(self.raw)
        except ValueError:
            return self.raw.decode(errors="replace")

    def _response(self, answer: Answer) -> Response:
        request_id = str(uuid.uuid4())
        headers = {
            "cache-control": "no-cache",
            "x-content-type-options": "nosniff",
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": self.request.headers.get("x-ms-correlation-request-id", request_id),
            **answer.headers,
        }
        if "x-ms-client-request-id" in self.request.headers:
            headers["x-ms-client-request-id"] = self.request.headers["x-ms-client-request-id"]
        if answer.body is None:
            return Response(status_code=answer.status or 503, headers=headers)
        content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return Response(content, answer.status, headers, media_type="application/json")


def _exists(call: Call) -> Answer:
    """HEAD on any resource: 204 if it is there, 404 if not."""
    return Answer(204 if call.record() else 404)
