# Tries destinations from inside a box: one request in a line of JSON, [NAME, ARGUMENTS...], and one answer in another. Started by probe.ts.
import errno
import json
import socket
import ssl
import struct
import sys
import threading
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


def held(speaks=False):
    """Returns what ends the connection that is kept, after a byte is sent if it speaks."""
    s = open_connections.pop()
    s.settimeout(20)
    try:
        if speaks:
            s.send(b"x")
        return "ended" if s.recv(1) == b"" else "received"
    except OSError as error:
        return failure(error)


def half_close(address, port):
    """Sends a thousand bytes and ends that direction. Returns what comes back until the other one ends."""
    with socket.create_connection((address, port), 20) as s:
        s.sendall(b"x" * 1000)
        s.shutdown(socket.SHUT_WR)
        try:
            return b"".join(iter(lambda: s.recv(100), b"")).decode()
        except OSError as error:
            return failure(error)


def exchange(address, port, size):
    """Sends bytes to an echo while it reads them back. Returns whether they are the same."""
    block = bytes(i % 251 for i in range(251 * 256))
    data = (block * (size // len(block) + 1))[:size]
    with socket.create_connection((address, port), 20) as s:
        sender = threading.Thread(target=s.sendall, args=(data,))
        sender.start()
        received = bytearray()
        while len(received) < size and (more := s.recv(65536)):
            received += more
        sender.join()
    return received == data


def datagrams(address, port, sizes, patience=20):
    """Sends datagrams of these sizes to an echo. Returns for each whether the same comes back, or the name of the error."""
    found = []
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(patience)
        s.connect((address, port))
        for size in sizes:
            data = bytes(i % 251 for i in range(size))
            try:
                s.send(data)
                found.append("same" if s.recv(65535) == data else "other")
            except OSError as error:
                found.append(failure(error))
    return found


def lease():
    """Asks for an address as a DHCP client without one does (RFC 2131). Returns it, the router and the name server."""
    with open("/sys/class/net/eth0/address") as text:
        mac = bytes.fromhex(text.read().strip().replace(":", ""))
    discover = struct.pack("!4BIHH16x16s192xI", 1, 1, 6, 0, 7, 0, 0x8000, mac, 0x63825363)
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.bind(("0.0.0.0", 68))
        s.sendto(discover + bytes([53, 1, 1, 55, 2, 3, 6, 255]), ("255.255.255.255", 67))
        reply = s.recv(2000)
    options, rest = {}, reply[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return " ".join(socket.inet_ntoa(address[:4]) for address in (reply[16:20], options[3], options[6]))


def serve(protocol, address, port):
    """Serves from now on: an echo of datagrams, or, for a connection, the number of bytes until its first end."""
    s = socket.socket(type=socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    s.bind((address, port))

    def count():
        while True:
            connection, _ = s.accept()
            with connection:
                size = sum(len(part) for part in iter(lambda: connection.recv(65536), b""))
                connection.sendall(str(size).encode())

    def echo():
        while True:
            s.sendto(*s.recvfrom(65535))

    if protocol == "tcp":
        s.listen()
    threading.Thread(target=count if protocol == "tcp" else echo, daemon=True).start()


CALLS = {
    call.__name__: call
    for call in (reach, talk, resolve, hold, held, half_close, exchange, datagrams, lease, serve)
}
for line in sys.stdin:
    call, *arguments = json.loads(line)
    print(json.dumps(CALLS[call](*arguments)), flush=True)
