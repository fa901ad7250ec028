# Tries destinations from inside a box: one request in a line of JSON, [NAME, ARGUMENTS...], and one answer in another. Started by probe.ts.
import errno
import json
import socket
import ssl
import struct
import sys
import time

open_connections = []


def failure(error):
    if isinstance(error, ssl.SSLError):
        return error.reason or type(error).__name__
    return errno.errorcode.get(error.errno, type(error).__name__)


def send_to(protocol, address, port):
    """Sends something, and waits for whatever comes."""
    family, _, _, _, to = socket.getaddrinfo(address, port)[0]
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as s:
        s.settimeout(5)
        began = time.monotonic()
        try:
            s.connect(to)
            s.send(b"GET / HTTP/1.0\r\n\r\n")
            s.recv(100)
            what = "answered"
        except OSError as error:
            what = failure(error)
        return {"what": what, "seconds": time.monotonic() - began}


def reach(protocol, address, port):
    """Returns what came of a destination, and in which time."""
    found = send_to(protocol, address, port)
    # A busy machine may have let the box wait once.
    return found if found["what"] == "answered" or found["seconds"] < 0.5 else send_to(protocol, address, port)


def talk(address, port, text, secure=False, name=None):
    """Sends a text and returns what comes until the end, or the name of the error."""
    received = b""
    try:
        with socket.create_connection((address, port), 20) as plain:
            s = plain
            if secure:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                s = context.wrap_socket(plain, server_hostname=name)
            s.sendall(text.encode())
            while more := s.recv(65536):
                received += more
    except OSError as error:
        return received.decode() + failure(error)
    return received.decode()


def name_end(message, at):
    """Returns where a name of a DNS message ends (RFC 1035, 4.1.4)."""
    while message[at] not in (0, *range(0xC0, 0x100)):
        at += message[at] + 1
    return at + (1 if message[at] == 0 else 2)


def resolve(name, kind, over="udp", server=None):
    """Asks a name server, by default the one in /etc/resolv.conf."""
    if server is None:
        with open("/etc/resolv.conf") as lines:
            server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, kind, 1)
    with socket.socket(type=socket.SOCK_STREAM if over == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        try:
            s.connect((server, 53))
            s.send(query if over == "udp" else struct.pack(">H", len(query)) + query)
            answer = s.recv(4096) if over == "udp" else s.recv(2) and s.recv(4096)
        except OSError as error:
            return failure(error)
    code, count = answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
    if code != 0:
        return {2: "SERVFAIL", 3: "NXDOMAIN"}.get(code, str(code))
    addresses, at = [], name_end(answer, 12) + 4
    for _ in range(count):
        at = name_end(answer, at)
        kind, _, _, length = struct.unpack(">2HIH", answer[at : at + 10])
        data = answer[at + 10 : at + 10 + length]
        if kind in (1, 28):
            addresses.append(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, data))
        at += 10 + length
    return " ".join(addresses) or "NODATA"


def hold(address, port):
    """Opens a connection to an echo, and keeps it if it answers."""
    try:
        s = socket.create_connection((address, port), 20)
        s.sendall(b"x\n")
        open_connections.append(s)
        return s.recv(2).decode()
    except OSError as error:
        return failure(error)


def held():
    """Returns what ends the connection that is kept."""
    s = open_connections.pop()
    s.settimeout(20)
    try:
        return "ended" if s.recv(1) == b"" else "received"
    except OSError as error:
        return failure(error)


CALLS = {call.__name__: call for call in (reach, talk, resolve, hold, held)}
for line in sys.stdin:
    call, *arguments = json.loads(line)
    print(json.dumps(CALLS[call](*arguments)), flush=True)
