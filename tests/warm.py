"""A process that has imported what our commands import, and does each command in a copy of itself.

To import torch and Lightning takes seconds, to copy a process milliseconds. A command that is done like this is what a
user types in all else: arguments, environment, working directory and streams of its own, and an exit status.
"""

import atexit
import gc
import json
import multiprocessing.forkserver
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Warm:
    """Starts commands: `run` as `subprocess.run`, with the words behind `python`."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
            )

    def run(self, *words: str, cwd: Path = ROOT, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            asked = json.dumps([[str(word) for word in words], str(cwd), env]).encode()
            socket.send_fds(self._ours, [len(asked).to_bytes(4, "big")], [out.fileno(), err.fileno()])
            self._ours.sendall(asked)
            code = int.from_bytes(self._ours.recv(4), "big", signed=True)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(list(words), code, *said)

    def close(self) -> None:
        self._ours.close()
        self._process.wait()


def serve(given: socket.socket) -> None:
    """Does one command after the other, until nobody asks any more."""
    while True:
        size, streams, *_ = socket.recv_fds(given, 4, 2)
        if not size:
            return
        asked = b""
        while len(asked) < int.from_bytes(size, "big"):
            asked += given.recv(1 << 20)
        words, cwd, env = json.loads(asked)
        if not (child := os.fork()):
            given.close()
            _become(words, cwd, env, streams)
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        given.sendall(code.to_bytes(4, "big", signed=True))


def _become(words: Sequence[str], cwd: str, env: dict[str, str], streams: Sequence[int]) -> None:
    """Does a command, and ends as it ends."""
    code = 1
    try:
        os.chdir(cwd)
        for number, stream in enumerate(streams, start=1):
            os.dup2(stream, number)
        os.environ.clear()
        os.environ.update(env)
        code = _do(words)
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _do(words: Sequence[str]) -> int:
    """Runs what Python would run of these words; returns the exit status."""
    option, *rest = words
    try:
        if option == "-m":
            sys.argv, sys.path[0] = rest, str(Path.cwd())
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif option == "-c":
            sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
            exec(rest[0], {"__name__": "__main__"})
        else:
            sys.argv, sys.path[0] = list(words), str(Path(option).absolute().parent)
            runpy.run_path(option, run_name="__main__")
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001, as Python does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import matplotlib.pyplot  # noqa: F401

    import robust.cli
    import robust.report
    import robust.sweep.pool

    robust.sweep.pool.fresh_processes()
    multiprocessing.forkserver.ensure_running()  # for all commands one process whose copies are their workers
    multiprocessing.forkserver._forkserver.ensure_running = lambda: None
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        serve(asked)
