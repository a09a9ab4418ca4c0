"""The only place that says jax.distributed: several processes that train one model, and how they end together."""

import inspect
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from tsrl.errors import InputError, TrainingDiverged
from tsrl.train.channel import FAREWELL_S, Channel, forwarded, gather, reach, welcomed

# Of a process whose peer is gone.
LOST = 3
# jax ends a process that it misses by itself, with a message of its own: ours comes first.
_MARGIN_S = 30
_ADDRESS_BYTES = 512
Made = TypeVar("Made")

# None: this process is alone.
_channel: Channel | None = None


def count() -> int:
    """How many processes train together."""
    return 1 if _channel is None else _channel.count


def rank() -> int:
    """The place of this process among them, from 0."""
    return 0 if _channel is None else _channel.rank


def first() -> bool:
    """Whether this process is the one that writes, evaluates and prints."""
    return rank() == 0


def agree(what: str, value: Any) -> list[Any]:
    """What every process says about `what`, by rank: JSON values. All of them must ask, in the same order."""
    return [value] if _channel is None else _channel.agree(what, value)


def from_first(what: str, value: Any) -> Any:
    """The first process's value, on all; what the others say is not heard."""
    return agree(what, value if first() else None)[0]


def same(tree: Any) -> Any:
    """The first process's arrays, on all, as host arrays; the others bring arrays of the same shapes and types."""
    return tree if _channel is None else multihost_utils.broadcast_one_to_all(jax.device_get(tree))


def in_turn(make: Callable[[], Made]) -> Made:
    """What `make` makes, of the first process before the others: what it leaves on disk is made once."""
    made = make() if first() else None
    agree("turn", None)
    return make() if made is None else made


def check_same(name: str, value: dict[str, Any]) -> None:
    """Refuses a record that is another on another process.

    Raises:
      InputError: on all of them.
    """
    said = agree(name, value)
    for other, theirs in enumerate(said):
        if keys := sorted(key for key in theirs.keys() | said[0].keys() if theirs.get(key) != said[0].get(key)):
            found = ", ".join(f"{key} {theirs.get(key)} on rank {other}, {said[0].get(key)} on rank 0" for key in keys)
            raise InputError(f"{name}: found {found}; want the same on all processes")


def join(auto: bool, address: str, processes: int, rank: int, timeout: float) -> None:
    """Makes this process one of several; before any computation. Nothing when no argument asks for it.

    Args:
      auto: jax finds the others, as it can under Slurm, Open MPI, Kubernetes and on TPUs.
      address: HOST:PORT where rank 0 listens for the others.
      processes: how many there are.
      rank: of this one, from 0.
      timeout: seconds to wait for rank 0, and for all to come; after as many without a sign of life one counts as gone.

    Raises:
      InputError: settings that do not fit together, or not all have come in time.
    """
    global _channel
    if not _wanted(auto, address, processes, rank, timeout):
        return
    if auto:
        with _in_time(timeout):
            _initialize(timeout)
            rank, processes = jax.process_index(), jax.process_count()
            if processes == 1:
                return
            listening = socket.create_server(("", 0)) if rank == 0 else None
            addresses = _broadcast_addresses(listening)
    else:
        host, port = address.rpartition(":")[::2]
        addresses = [(host.strip("[]"), int(port))]
        listening = _listening(*addresses[0]) if rank == 0 else None
    if listening is not None:
        links = gather(listening, processes, timeout)
        # Free a moment ago, which is all that can be known of it.
        with _listening("127.0.0.1" if auto else addresses[0][0], 0) as unused:
            service = unused.getsockname()[1]
        for link in links.values():
            # Who has gone meanwhile is missed by the channel.
            with suppress(OSError):
                link.send({"service": service})
    else:
        links = {0: reach(addresses, processes, rank, timeout)}
        # Rank 0 may have begun to wait just now.
        service = welcomed(links[0], timeout + FAREWELL_S)["service"]
    _channel = Channel(rank, processes, links, timeout, _ended)
    if not auto:
        with _in_time(timeout):
            _initialize(timeout, **_place(addresses[0][0], service, processes, rank))
            jax.devices()
    check_same("versions", {"jax": jax.__version__})
    check_same("devices", {"local": jax.local_device_count(), "platform": jax.local_devices()[0].platform})


def _wanted(auto: bool, address: str, processes: int, rank: int, timeout: float) -> bool:
    """Whether there are to be several processes."""
    explicit = bool(address) or processes != 0 or rank != -1
    if not timeout > 0:
        raise InputError(f"distributed.timeout: found {timeout}, want seconds above 0")
    if auto and explicit:
        raise InputError("distributed: found an address, processes or a rank as well, want `--distributed` alone")
    if not explicit:
        return auto
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"distributed.address: found {address!r}, want HOST:PORT of rank 0, a port from 1 to 65535")
    if processes < 1:
        raise InputError(f"distributed.processes: found {processes}, want how many there are")
    if not 0 <= rank < processes:
        raise InputError(f"distributed.rank: found {rank}, want 0 to {processes - 1}")
    return processes > 1


def _initialize(timeout: float, **place: Any) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It would take SIGTERM away from the loop. Releases without the option have no such service.
    with suppress(AttributeError):
        jax.config.update("jax_enable_preemption_service", False)
    late = int(timeout) + _MARGIN_S
    limits: dict[str, Any] = dict.fromkeys(
        ("initialization_timeout", "heartbeat_timeout_seconds", "shutdown_timeout_seconds"), late
    )
    known = inspect.signature(jax.distributed.initialize).parameters
    try:
        jax.distributed.initialize(**place, **{name: value for name, value in limits.items() if name in known})
    except ValueError as error:
        raise InputError(
            f"distributed: found no scheduler that jax knows ({error}), want --distributed.address HOST:PORT, "
            "--distributed.processes and --distributed.rank"
        ) from error


@contextmanager
def _in_time(timeout: float) -> Iterator[None]:
    """Ends the process when what is entered, which cannot be interrupted, takes longer."""

    def late() -> None:
        _say(f"error: distributed.timeout: found jax still waiting for a process after {timeout:g} s, want all of them")
        os._exit(2)

    timer = threading.Timer(timeout, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _here(host: str) -> bool:
    """Whether an address is for processes of this machine only."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _listening(host: str, port: int) -> socket.socket:
    try:
        if _here(host):
            return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Not at the address itself: the others may know this machine by one that it does not have.
        both = socket.has_dualstack_ipv6()
        return socket.create_server(("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both)
    except OSError as error:
        raise InputError(
            f"distributed.address: found {host}:{port}, where rank 0 cannot listen ({error.strerror or error}), want a "
            "free port"
        ) from error


def _place(host: str, port: int, processes: int, rank: int) -> dict[str, Any]:
    """What jax is told: its service is in rank 0, at a port of its host."""
    own = f"[{host}]" if ":" in host else host if _here(host) else "127.0.0.1"
    return {
        "coordinator_address": f"{own}:{port}" if rank == 0 else f"127.0.0.1:{forwarded((host, port))}",
        "coordinator_bind_address": f"{own}:{port}" if _here(host) else None,
        "num_processes": processes,
        "process_id": rank,
        # It would add what a scheduler says of another program.
        "cluster_detection_method": "deactivate",
    }


def _broadcast_addresses(listening: socket.socket | None) -> list[tuple[str, int]]:
    """Where rank 0 listens, under the names and numbers that it knows of its machine."""
    text = ""
    if listening is not None:
        name = socket.gethostname()
        with suppress(OSError):
            text = " ".join({str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)})
        text = f"{listening.getsockname()[1]} {name} {text}"[:_ADDRESS_BYTES]
    told = np.zeros(_ADDRESS_BYTES, np.uint8)
    told[: len(text)] = np.frombuffer(text.encode(), np.uint8)
    port, *hosts = bytes(multihost_utils.broadcast_one_to_all(told)).rstrip(b"\0").decode().split()
    return [(host, int(port)) for host in hosts]


def leave() -> None:
    """Ends being one of several, once all have come here."""
    global _channel
    if _channel is None:
        return
    _channel.finish()
    with _in_time(_channel.silence):
        jax.distributed.shutdown()
    _channel.close()
    _channel = None


@contextmanager
def ending_together() -> Iterator[None]:
    """Around a whole program: at its end this process waits for the others; when it ends by an error, they do too."""
    try:
        yield
        leave()
    except BaseException as error:
        if _channel is None:
            raise
        cause: BaseException | None = error
        if not isinstance(error, SystemExit):
            # A collective fails because another process is gone: the link says which, and ends this one.
            time.sleep(2 * FAREWELL_S)
            traceback.print_exc()
        elif error.__context__ is not None:
            cause = error.__context__
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        said = isinstance(cause, InputError | TrainingDiverged)
        _channel.end(code, str(cause) if said else f"{type(cause).__name__}: {cause}")
        # The interpreter's own end would wait for jax's processes.
        _exit(code)


def _ended(rank: int, code: int | None, why: str) -> None:
    if code is None:
        _say(f"error: process {rank}: {why}, want it there until the end; the same command resumes")
    elif code:
        _say(f"error: process {rank} ended: {why}")
    else:
        _say(f"stopped with process {rank}; the same command resumes")
    _exit(LOST if code is None else code)


def _say(line: str) -> None:
    # Neither buffered nor locked: it is called from a thread, and jax may end the process in the next moment.
    os.write(2, f"{line}\n".encode())


def _exit(code: int) -> None:
    if os.isatty(2):
        # A progress bar has hidden the cursor.
        os.write(2, b"\x1b[?25h")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
