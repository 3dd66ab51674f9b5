"""A stand-in for W&B's server: it understands what `wandb sync` says, and keeps it. Nothing leaves the machine."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Received:
    """One run, as the server has it."""

    project: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)  # by offset, as the real server keeps lines
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    finished: int = 0  #: how often it was pushed to its end


class WandbServer:
    """`with WandbServer() as server`: `server.address`, `server.runs` by id. `refuse` names ids to say no to."""

    def __init__(self) -> None:
        self.runs: dict[str, Received] = {}
        self.artifacts: Counter[str] = Counter()
        self.uploads: dict[str, bytes] = {}
        self.refuse: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None: ...

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/graphql":
                    self.answer(*outer.graphql(json.loads(body)))
                elif self.path.endswith("/file_stream"):
                    outer.stream(self.path.split("/")[-2], json.loads(body))
                    self.answer(200, {})
                else:
                    self.answer(200, {})

            def do_GET(self) -> None:
                self.answer(200, {})

            def do_PUT(self) -> None:
                outer.uploads[self.path] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(200, {})

            def answer(self, status: int, value: object) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: object) -> None: ...  # clients that hang up

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def graphql(self, asked: dict[str, Any]) -> tuple[int, object]:
        given = asked.get("variables") or {}
        if "mutation UpsertBucket" in asked["query"]:
            if given["name"] in self.refuse:
                return 403, {"errors": [{"message": "permission denied"}]}
            run = self.runs.setdefault(given["name"], Received())
            run.project, run.group = given["project"], given["groupName"] or run.group
            config = json.loads(given["config"])
            run.config = {name: item["value"] for name, item in config.items() if name != "_wandb"}
            entity = {"id": "E", "name": "me"}
            project = {"id": "P", "name": given["project"], "entity": entity}
            bucket = {"id": "R", "name": given["name"], "config": "{}", "historyLineCount": 0, "project": project}
            return 200, {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
        if "mutation CreateRunFiles" in asked["query"]:
            files = [{"name": name, "uploadUrl": f"{self.address}/{given['run']}/{name}"} for name in given["files"]]
            return 200, {"data": {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}}
        if "mutation CreateArtifact " in asked["query"]:
            self.artifacts[given["input"]["artifactCollectionName"]] += 1
            latest = {"latestArtifact": {"id": "A"}}
            artifact = {"id": "A", "state": "COMMITTED", "artifactSequence": latest}
            return 200, {"data": {"createArtifact": {"artifact": artifact}}}
        return 200, {"data": {}}

    def stream(self, run: str, sent: dict[str, Any]) -> None:
        received = self.runs[run]
        for name, chunk in (sent.get("files") or {}).items():
            lines = [json.loads(line) for line in chunk["content"]]
            if name == "wandb-history.jsonl":
                received.history |= {chunk["offset"] + at: line for at, line in enumerate(lines)}
            elif name == "wandb-summary.json":
                received.summary = lines[-1]
        if sent.get("complete"):
            received.exit_code = sent["exitcode"]
            received.finished += 1
