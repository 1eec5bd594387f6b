#!/usr/bin/env python3
"""Policy hosts for SilentHosts, until standard input ends. server.py MODE DIRECTORY

MODE is what the silent hosts 127.1.0.1 to 127.4.231.1 do, a thousand of them: `tcp` accepts, `tls` also completes the
handshake and never answers the request. 127.0.0.1 is a host that answers. All listen on one port, which is the first line of
the output; DIRECTORY/root.pem is the certificate that they use."""

import asyncio
import pathlib
import resource
import socket
import ssl
import subprocess
import sys

MODE, DIRECTORY = sys.argv[1], pathlib.Path(sys.argv[2])
POLICY = b"version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 604800\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(POLICY), POLICY)


def listener(address, port):
    result = socket.socket()
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    result.bind((address, port))
    result.listen(4096)
    return result


async def answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    writer.close()


async def stay_silent(reader, _):
    await reader.read()


async def serve():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", DIRECTORY / "key.pem", "-out", DIRECTORY / "root.pem", "-subj", "/CN=root",
         "-addext", "subjectAltName=DNS:mta-sts.example"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(DIRECTORY / "root.pem", DIRECTORY / "key.pem")
    healthy = listener("127.0.0.1", 0)
    port = healthy.getsockname()[1]
    silent = [listener(f"127.{1 + n // 256}.{n % 256}.1", port) for n in range(1000)]
    await asyncio.start_server(answer, sock=healthy, ssl=context)
    if MODE == "tls":
        for one in silent:
            await asyncio.start_server(stay_silent, sock=one, ssl=context)
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
asyncio.run(serve())
