#!/usr/bin/env python3
"""A small natter client: it sends what it is told on stdin, and prints what comes.

    python3 examples/client.py 127.0.0.1:6000 alice "a good password"
    bob how are you?          a message to bob

Python 3.9 or newer, nothing but its standard library. It does what docs/protocol.md asks of every client (section 14), but for coming back by itself
when the connection is lost.
"""
import json
import queue
import socket
import sys
import threading
import uuid


class Natter:
    """A connection. Requests are answered here; messages go to `on_message`, in the reading thread, each once."""

    def __init__(self, host, port, on_message):
        self.on_message = on_message
        self.socket = socket.create_connection((host, port), timeout=20)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.sending = threading.Lock()
        self.answers = {}  # by ref
        self.handled = 0  # the highest seq
        self.closing = self.over = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def send(self, **message):
        with self.sending:
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def request(self, **message):
        """Sends a request and returns its answer."""
        ref = str(uuid.uuid4())
        waiting = self.answers[ref] = queue.Queue()
        try:
            answer = None
            if not self.over:
                self.send(**message, ref=ref)
                answer = waiting.get(timeout=20)
            if answer is None:
                raise ConnectionError("not connected")
            return answer
        except queue.Empty:
            raise ConnectionError("the server does not answer") from None
        finally:
            del self.answers[ref]

    def login(self, name, password):
        ack = self.request(msgid=1, name=name, password=password, proto=3)
        if ack["errno"] != 0:
            raise PermissionError(ack["errmsg"])
        # The server asks after `heartbeat` seconds of our silence: when nothing comes for twice that long, it is gone.
        self.socket.settimeout(2 * ack["heartbeat"] + 5)
        return ack

    def chat(self, name, msg):
        """Returns when the message is stored, whatever crashes next."""
        answer = self.request(msgid=6, toname=name, msg=msg, mid=str(uuid.uuid4()))
        if answer["errno"] != 0:
            raise ValueError(answer["errmsg"])

    def close(self):
        """Says that nothing more will be sent, and waits for what is under way."""
        self.closing = True
        self.socket.shutdown(socket.SHUT_WR)
        self.reader.join(timeout=5)
        self.socket.close()

    def _read(self):
        why = "the connection is lost"
        try:
            for line in self.lines:
                self._handle(json.loads(line))
        except OSError as error:
            why += f": {error}"
        # Nobody is to wait for what does not come any more.
        self.over = True
        if not self.closing:
            print(why, file=sys.stderr)
        for waiting in list(self.answers.values()):
            waiting.put(None)

    def _handle(self, message):
        if message["msgid"] == 2 and message["errno"] == 0:  # LOGIN_ACK; what waited is right behind it
            self.id = message["id"]
            self.handled = max(self.handled, message["inbox"]["confirmed"])
        if "ref" in message:
            waiting = self.answers.get(message["ref"])
            if waiting:
                waiting.put(message)
        elif message["msgid"] == 13:  # PING
            self.send(msgid=14)
        elif "seq" in message:
            # What was not confirmed comes again: by its seq it is known. What is no CHAT or GROUP_CHAT, such as an EDIT, is confirmed all the same.
            if message["seq"] > self.handled:
                if message["msgid"] in (6, 10):
                    self.on_message(self, message)
                self.handled = message["seq"]
            self.send(msgid=12, seq=self.handled)  # RECEIVED
        elif message["msgid"] == 20:  # GOODBYE
            print(f"the server says goodbye: {message['reason']}", file=sys.stderr)


def say(line):
    # Two threads do it: in one piece, which print() does not do.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def show(natter, message):
    place = f" in group {message['groupid']}" if "groupid" in message else ""
    if message["id"] == natter.id != message.get("toid", natter.id):  # written on another device of one's own
        place = f" to {message['toid']}"
    # What was deleted meanwhile has no text any more.
    text = "(deleted)" if message.get("deleted") else message["msg"]
    say(f"{message['name']}{place}: {text}")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    address, name, password = sys.argv[1:]
    host, _, port = address.rpartition(":")
    natter = Natter(host.strip("[]"), int(port), show)  # [::1]:6000
    registered = natter.request(msgid=4, name=name, password=password)
    if registered["errno"] not in (0, 1):  # 1: there is such a user; the password will tell whether it is this one
        sys.exit(registered["errmsg"])
    natter.login(name, password)
    say(f"{name} is here")
    for line in sys.stdin:
        to, _, msg = line.strip().partition(" ")
        try:
            natter.chat(to, msg)
        except ValueError as error:
            print(f"not sent: {error}", file=sys.stderr)
    natter.close()


if __name__ == "__main__":
    try:
        main()
    except (OSError, PermissionError) as error:
        sys.exit(str(error))
