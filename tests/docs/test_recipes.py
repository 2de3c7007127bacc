"""The recipes for clients, TLS and troubleshooting work, in front of the demo's backend."""

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.demo.backend import DemoBackend
from loom.model import Address
from tests.docs.markdown import blocks
from tests.interop.foreign import GO, GO_SOURCES
from tests.support import node
from tests.support.certificates import Authority
from tests.support.loom_process import ROOT, LoomProcess, environment, running_loom

HOW_TO = ROOT / "docs" / "how-to"
QUICK = ("--listen", "localhost:0", "--ui", "off", "--no-session")
METHOD = "/harbour.v1.Vessels/GetVessel"
VESSEL = b"\x0a\x03v-4"

GO_PROGRAM = """package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	FRAGMENT
	if err != nil {
		panic(err)
	}
	client := grpc_health_v1.NewHealthClient(conn)
	answer, err := client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		panic(err)
	}
	fmt.Println("answered", answer.Status)
}
"""
PYTHON_PROGRAM = f"""import grpc
from pathlib import Path

FRAGMENT
channel.unary_unary("{METHOD}")({VESSEL!r})
print("answered")
"""
NODE_PROGRAM = """import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
const options = { includeDirs: ["PROTOS"] };
const { Vessels } = grpc.loadPackageDefinition(protoLoader.loadSync("harbour/v1/vessels.proto", options)).harbour.v1;
FRAGMENT
vessels.GetVessel({ id: "v-4" }, (error) => {
  if (error) throw error;
  console.log("answered");
  vessels.close();
});
"""


def fragment(document: str, language: str, address: str) -> str:
    """The only block of a language in a how-to, with Loom's address for the one in it."""
    [block] = [
        block
        for block in blocks((HOW_TO / document).read_text(encoding="utf-8"))
        if block.language == language
    ]
    assert block.text.count("localhost:9999") == 1
    return block.text.strip().replace("localhost:9999", address)


def go_client(folder: Path, address: str) -> list[str]:
    for name in ("go.mod", "go.sum"):
        shutil.copy(GO_SOURCES / name, folder)
    source = GO_PROGRAM.replace("FRAGMENT", fragment("point-clients-at-loom.md", "go", address))
    (folder / "main.go").write_text(source, encoding="utf-8")
    return [str(GO), "run", "."]


def python_client(folder: Path, address: str) -> list[str]:
    source = PYTHON_PROGRAM.replace("FRAGMENT", fragment("point-clients-at-loom.md", "python", address))
    (folder / "client.py").write_text(source, encoding="utf-8")
    return [sys.executable, "client.py"]


def node_client(folder: Path, address: str) -> list[str]:
    (folder / "node_modules").symlink_to(node.installed(ROOT / "examples" / "node") / "node_modules")
    source = NODE_PROGRAM.replace("FRAGMENT", fragment("point-clients-at-loom.md", "js", address))
    protos = str(ROOT / "loom" / "demo" / "protos")
    (folder / "client.mjs").write_text(source.replace("PROTOS", protos), encoding="utf-8")
    return [str(node.NODE), "client.mjs"]


@contextlib.asynccontextmanager
async def running_harbour() -> AsyncIterator[str]:
    backend = DemoBackend(Address("127.0.0.1", 0))
    await backend.start()
    try:
        yield str(backend.address)
    finally:
        await backend.stop()


async def output_of(*command: str, folder: Path, home: Path) -> str:
    """What a program prints; fails if it fails."""
    result = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env=environment(home) | {"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return str(result.stdout)


def listen_address(loom: LoomProcess) -> str:
    return loom.expect(r"point it at (\S+)")[1]


async def call(address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
    """One call of the harbour; raises what the client sees."""
    if credentials is None:
        channel = grpc.aio.insecure_channel(address)
    else:
        channel = grpc.aio.secure_channel(address, credentials)
    async with channel:
        method: Any = channel.unary_unary(METHOD)
        await method(VESSEL, timeout=20)


@pytest.mark.timeout(360)  # the first build of grpc-go takes a minute
@pytest.mark.parametrize("client", [go_client, python_client, node_client])
async def test_a_client_calls_through_loom(tmp_path: Path, client: Callable[[Path, str], list[str]]) -> None:
    async with running_harbour() as harbour:
        with running_loom("--target", harbour, *QUICK, home=tmp_path) as loom:
            folder = tmp_path / "client"
            folder.mkdir()
            command = client(folder, listen_address(loom))
            assert "answered" in await output_of(*command, folder=folder, home=Path.home())
            loom.expect(r"✓ OK .*/(GetVessel|Check) ")


async def test_the_certificate_of_the_recipe_is_accepted(tmp_path: Path) -> None:
    shell = [
        block.text.strip()
        for block in blocks((HOW_TO / "tls.md").read_text(encoding="utf-8"))
        if block.language == "sh"
    ]
    make = next(text for text in shell if text.startswith("openssl "))
    start = shlex.split(shell[shell.index(make) + 1])
    await output_of(*shlex.split(make), folder=tmp_path, home=tmp_path)
    async with running_harbour() as harbour:
        with running_loom("--target", harbour, *QUICK, *start[1:], home=tmp_path) as loom:
            source = PYTHON_PROGRAM.replace("FRAGMENT", fragment("tls.md", "python", listen_address(loom)))
            (tmp_path / "client.py").write_text(source, encoding="utf-8")
            command = (sys.executable, "client.py")
            assert "answered" in await output_of(*command, folder=tmp_path, home=tmp_path)
            loom.expect(r"✓ OK .*/GetVessel ")


TROUBLES = (HOW_TO / "troubleshooting.md").read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """A part of a message, which the troubleshooting quotes."""
    assert text in TROUBLES
    return text


async def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    with running_loom("--target", "localhost:1", *QUICK, home=tmp_path) as loom:
        address = listen_address(loom)
        with pytest.raises(grpc.aio.AioRpcError, match=quoted("Loom could not reach the target")):
            await call(address)
        for _ in range(4):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await call(address)
        with pytest.raises(grpc.aio.AioRpcError, match=quoted("Loom's circuit breaker is open")):
            await call(address)


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    with running_loom("--target", "shop.invalid:50051", *QUICK, home=tmp_path) as loom:
        loom.expect(quoted("cannot be resolved"))


async def test_a_target_without_tls(tmp_path: Path) -> None:
    async with running_harbour() as harbour:
        with running_loom("--target", harbour, "--tls", *QUICK, home=tmp_path) as loom:
            address = listen_address(loom)
            with pytest.raises(grpc.aio.AioRpcError, match=quoted("WRONG_VERSION_NUMBER")):
                await call(address)


async def test_a_client_with_tls_and_loom_without(tmp_path: Path) -> None:
    credentials = grpc.ssl_channel_credentials(Authority(tmp_path).cert)
    wrong_version = quoted("wrong version number").replace(" ", "_").upper()
    with running_loom("--target", "localhost:1", *QUICK, home=tmp_path) as loom:
        address = listen_address(loom)
        with pytest.raises(grpc.aio.AioRpcError, match=wrong_version):
            await call(address, credentials)
