"""A process that has imported what our commands import, and does each command in a copy of itself.

To import torch and Lightning takes seconds, to copy a process milliseconds. A command that is done like this is what a
user types in all else: arguments, environment, working directory and streams of its own, and an exit status.
"""

import atexit
import contextlib
import functools
import gc
import json
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
_forkserver = multiprocessing.forkserver._forkserver
#: what need not be installed: our modules are imported as where it is not
OPTIONAL = [
    *("captum", "embreex", "foolbox", "fpdf", "hydra_plugins.hydra_submitit_launcher", "onnx", "onnxruntime"),
    *(
        "onnxscript",
        "optuna",
        "safetensors",
        "skimage",
        "submitit",
        "tabulate",
        "tensorboard",
        "torchattacks",
        "trimesh",
    ),
    *("wandb", "wandb_workspaces"),
]


class Warm:
    """Starts commands: `run` as `subprocess.run`, with the words behind `python`. The process is started when it is
    first needed, by these `options` of Python, in this environment."""

    def __init__(self, *options: str, env: dict[str, str] | None = None) -> None:
        self._options, self._env = options, env
        self._process: subprocess.Popen[bytes] | None = None

    @functools.cached_property
    def _ours(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, *self._options, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, env=self._env, pass_fds=[theirs.fileno()])
        return ours

    @functools.cached_property
    def forkserver(self) -> tuple[str, int]:
        """The address of the process whose copies are the workers of all commands, and the end of a pipe that it lives
        as long as."""
        address, (alive,), *_ = socket.recv_fds(self._ours, 4096, 1)
        return address.decode(), alive

    def run(self, *words: str, cwd: Path = ROOT, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            assert self.forkserver, "it has imported everything"
            asked = json.dumps([[str(word) for word in words], str(cwd), env]).encode()
            socket.send_fds(self._ours, [len(asked).to_bytes(4, "big")], [out.fileno(), err.fileno()])
            self._ours.sendall(asked)
            code = int.from_bytes(self._ours.recv(4), "big", signed=True)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(list(words), code, *said)

    def share_workers(self) -> None:
        """Makes the workers that this process itself starts, joblib's too, copies of the same process."""
        from joblib.externals.loky.backend import context

        def connect() -> None:
            _forkserver._forkserver_address, _forkserver._forkserver_alive_fd = self.forkserver
            multiprocessing.resource_tracker.ensure_running()

        _forkserver.ensure_running = connect
        context.set_start_method("forkserver", force=True)

    def close(self) -> None:
        if self._process:
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


def _start_forkserver() -> tuple[str, int]:
    """Starts the process whose copies are the workers of all commands, as a copy of this one: nothing is imported
    again."""
    multiprocessing.resource_tracker.ensure_running()
    spawn, multiprocessing.util.spawnv_passfds = multiprocessing.util.spawnv_passfds, _copy
    _forkserver.ensure_running()
    multiprocessing.util.spawnv_passfds = spawn
    _forkserver.ensure_running = lambda: None
    return _forkserver._forkserver_address, _forkserver._forkserver_alive_fd


def _copy(_: object, words: Sequence[str], kept: Sequence[int]) -> int:
    """Does `python ... -c CODE` in a copy of this process, with no files open but these and the standard streams;
    returns its number."""
    if pid := os.fork():
        return pid
    for file in map(int, os.listdir("/dev/fd")):
        if file > 2 and file not in kept:
            with contextlib.suppress(OSError):
                os.close(file)
    _forkserver.ensure_running = lambda: None  # of workers that start workers too
    try:
        exec(words[-1], {"__name__": "__main__"})
    finally:
        os._exit(0)


@contextlib.contextmanager
def _bare() -> Iterator[None]:
    """While our modules are imported: no optional package is there, and a warning is an error."""
    sys.modules.update(dict.fromkeys(OPTIONAL))  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield
    for name in OPTIONAL:
        del sys.modules[name]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with _bare():
        import hydra.main  # noqa: F401
        import matplotlib.pyplot  # noqa: F401
        import scipy.stats  # noqa: F401
        import sklearn.datasets
        import sklearn.model_selection  # noqa: F401, what most commands import once they are accepted

        import robust.cli
        import robust.experiment.compose
        import robust.page
        import robust.report
        import robust.sweep.pool

    for usual in ("technique=natural", "perturb=noise", "model=convnet_mnist"):  # what most commands compose first
        robust.experiment.compose.compose([usual])
    robust.sweep.pool.fresh_processes()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        address, alive = _start_forkserver()
        socket.send_fds(asked, [address.encode()], [alive])
        serve(asked)
