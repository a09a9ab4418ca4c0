"""Lines of JSON between process 0 and each other one: who takes part, what they agree on, and who is gone."""

import contextlib
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Any

from tsrl.errors import InputError

# How a process ended that others depend on: its rank, its exit code, or None where it has just vanished, and why.
Ended = Callable[[int, int | None, str], None]
# Whoever connects and says nothing holds up the others no longer; nor does who has heard of an end and stays.
_HELLO_S = FAREWELL_S = 5.0


class Link:
    """A connection, in whole messages.

    Args:
      connected: the socket.
    """

    def __init__(self, connected: socket.socket):
        self._socket, self._lock = connected, threading.Lock()
        self._lines = connected.makefile("rb")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, message: dict[str, Any]) -> None:
        """Sends one; OSError when the other end is gone."""
        with self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Waits for one; None when the other end is gone, OSError after silence, ValueError for what is no message."""
        self._socket.settimeout(max(seconds, 0.01))
        line = self._lines.readline()
        message = json.loads(line) if line.endswith(b"\n") else None
        if message is not None and not isinstance(message, dict):
            raise ValueError("no message")
        return message

    def close(self) -> None:
        """Ends the connection, also for a thread that waits for a message."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        # The file keeps the socket open.
        self._lines.close()
        self._socket.close()


class Channel:
    """Process 0 is linked to all others. A thread for each link hears what comes, another one says "here" now and then.

    Args:
      rank: of this process.
      count: of all.
      links: by the rank at the other end.
      silence: seconds without a word after which a process counts as gone.
      ended: called once, from a thread, when another process has ended before its time; the others have been told.
    """

    def __init__(self, rank: int, count: int, links: dict[int, Link], silence: float, ended: Ended):
        self.rank, self.count, self.silence = rank, count, silence
        self._links, self._ended = links, ended
        self._said: dict[int, SimpleQueue[Any]] = {other: SimpleQueue() for other in links}
        self._closed, self._once = threading.Event(), threading.Lock()
        self._threads = {
            other: threading.Thread(target=self._hear, args=(other,), name=f"tsrl process {other}", daemon=True)
            for other in links
        }
        for thread in self._threads.values():
            thread.start()
        threading.Thread(target=self._beat, name="tsrl here", daemon=True).start()

    def agree(self, what: str, value: Any) -> list[Any]:
        """What every process says about the same thing, by rank; JSON values. Waits for all, as long as they live.

        Raises:
          RuntimeError: a process has ended, or the processes speak of different things.
        """
        if self.rank == 0:
            # Through JSON as the others' words: a tuple is a list there.
            said = [json.loads(json.dumps([what, value])), *(self._next(other) for other in sorted(self._links))]
            self._tell({"all": said})
        else:
            self._tell({"said": [what, value]})
            said = self._next(0)
        if subjects := {subject for subject, _ in said} - {what}:
            raise RuntimeError(f"process {self.rank} is at {what!r}, others at {', '.join(sorted(subjects))}")
        return [one for _, one in said]

    def end(self, code: int, why: str) -> None:
        """Tells the others that this process ends before its time, and waits until they have gone too."""
        self._tell({"ended": [self.rank, code, why]})
        self._closed.set()
        self._see_off()

    def finish(self) -> None:
        """Waits for all to come here; from then on each may go."""
        self.agree("end", None)
        self._closed.set()

    def close(self) -> None:
        """Ends the links."""
        self._closed.set()
        for link in self._links.values():
            link.close()

    def _next(self, other: int) -> Any:
        found = self._said[other].get()
        if found is None:
            raise RuntimeError(f"process {other} has ended")
        return found

    def _tell(self, message: dict[str, Any], but: int | None = None) -> None:
        for other, link in self._links.items():
            if other != but:
                # Whoever is gone is found by the thread that hears it.
                with contextlib.suppress(OSError):
                    link.send(message)

    def _see_off(self, but: int | None = None) -> None:
        until = time.monotonic() + FAREWELL_S
        for other, thread in self._threads.items():
            if other != but:
                thread.join(max(until - time.monotonic(), 0))

    def _beat(self) -> None:
        while not self._closed.wait(self.silence / 5):
            self._tell({"here": True})

    def _hear(self, other: int) -> None:
        rank, code, why = other, None, "found its connection closed"
        try:
            while (message := self._links[other].receive(self.silence)) is not None:
                if "said" in message or "all" in message:
                    self._said[other].put(message.get("said", message.get("all")))
                elif "ended" in message:
                    rank, code, why = message["ended"]
                    break
        except TimeoutError:
            why = f"found no sign of life for {self.silence:g} s"
        except (OSError, ValueError) as error:
            why = f"found its connection broken ({error})"
        if self._closed.is_set() or not self._once.acquire(blocking=False):
            return
        self._tell({"ended": [rank, code, why]}, but=other)
        for queue in self._said.values():
            queue.put(None)
        if self.rank == 0:
            # With this process jax's service ends, which would end the others without a reason.
            self._see_off(but=other)
        self._ended(rank, code, why)


def gather(listening: socket.socket, processes: int, timeout: float) -> dict[int, Link]:
    """Process 0's part of the start: waits for all others, checks that they mean the same world.

    Args:
      listening: a bound socket; closed at the end.
      processes: how many there are, this one included.
      timeout: seconds to wait.

    Raises:
      InputError: a wrong number of processes, a rank twice, or one that has not come in time. All that have are told.
    """
    links: dict[int, Link] = {}
    until = time.monotonic() + timeout
    with listening:
        listening.listen(processes)
        while len(links) < processes - 1:
            listening.settimeout(max(until - time.monotonic(), 0.01))
            try:
                link = Link(listening.accept()[0])
            except TimeoutError:
                missing = ", ".join(str(rank) for rank in range(1, processes) if rank not in links)
                wrong = (
                    f"distributed.processes: found {len(links) + 1} of {processes} after {timeout:g} s, rank {missing} "
                    "is missing; want each started with the same address and number of processes"
                )
                raise _refuse(links.values(), wrong) from None
            try:
                hello = link.receive(min(_HELLO_S, until - time.monotonic())) or {}
                theirs, rank = int(hello["processes"]), int(hello["rank"])
            except (OSError, ValueError, KeyError, TypeError):
                # Not one of ours.
                link.close()
                continue
            if theirs != processes:
                wrong = f"distributed.processes: found {theirs} on rank {rank}, {processes} on rank 0, want one number"
                raise _refuse([link, *links.values()], wrong)
            if rank in links or not 0 < rank < processes:
                raise _refuse([link, *links.values()], f"distributed.rank: found {rank} twice, want each once")
            links[rank] = link
    return links


def _refuse(links: Iterable[Link], wrong: str) -> InputError:
    for link in links:
        with contextlib.suppress(OSError):
            link.send({"refused": wrong})
        link.close()
    return InputError(wrong)


def reach(addresses: Sequence[tuple[str, int]], processes: int, rank: int, timeout: float) -> Link:
    """Any other process's part of the start: connects to process 0.

    Args:
      addresses: where it may listen.
      processes: how many there are.
      rank: of this process.
      timeout: seconds to wait for it.

    Raises:
      InputError: nobody listens there.
    """
    until, shown = time.monotonic() + timeout, ", ".join(f"{host}:{port}" for host, port in addresses)
    while True:
        for address in addresses:
            try:
                found = socket.create_connection(address, max(min(until - time.monotonic(), 5.0), 0.01))
                if found.getsockname() == found.getpeername():
                    # Where nobody listens yet, a connection may be given this very port, and so reach itself.
                    found.close()
                    raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
                link = Link(found)
                link.send({"processes": processes, "rank": rank})
                return link
            except OSError as error:
                failure = error
        if time.monotonic() >= until:
            raise InputError(
                f"distributed.address: found nobody at {shown} for {timeout:g} s ({failure}), want the address at "
                "which rank 0 of this run listens"
            )
        time.sleep(min(0.2, max(until - time.monotonic(), 0)))


def welcomed(link: Link, timeout: float) -> dict[str, Any]:
    """What process 0 says once all have come.

    Raises:
      InputError: it refuses, or says nothing.
    """
    try:
        message = link.receive(timeout)
    except (OSError, ValueError):
        message = {"refused": f"distributed.address: found no answer of rank 0 for {timeout:g} s, want its welcome"}
    if message is not None and "service" in message:
        return message
    link.close()
    raise InputError((message or {}).get("refused", "distributed: found that rank 0 has ended, want it running"))


def forwarded(address: tuple[str, int]) -> int:
    """A port of this machine behind which `address` is; when that is gone, connections to it stay open and silent.

    jax aborts the process at once when its connection to rank 0 closes; over this it waits for its own timeout, and the
    link's thread says first what has happened.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    # Collected, a socket would close.
    kept: list[socket.socket] = [listening]

    def serve() -> None:
        while True:
            near = listening.accept()[0]
            kept.append(near)
            with contextlib.suppress(OSError):
                far = socket.create_connection(address)
                kept.append(far)
                threading.Thread(target=_pass_on, args=(near, far, True), name="tsrl to jax", daemon=True).start()
                threading.Thread(target=_pass_on, args=(far, near, False), name="tsrl from jax", daemon=True).start()

    threading.Thread(target=serve, name="tsrl for jax", daemon=True).start()
    return int(listening.getsockname()[1])


def _pass_on(source: socket.socket, target: socket.socket, closes: bool) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        if closes:
            target.shutdown(socket.SHUT_RDWR)
