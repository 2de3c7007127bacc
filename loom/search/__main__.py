"""The search process: reads a job and its input from standard input, and writes the answers to standard output.

It runs at the lowest scheduling priority, and ends when its parent closes either pipe.
"""

import gc
import os
import sys

import msgspec

from loom.errors import LoomError
from loom.workers import encode_frame, read_frame

from .call_source import CallSource, InputCallSource, SessionCallSource
from .file_reader import read_file
from .jobs import run_job
from .protocol import Answer, Failed, ImportAnswer, ImportJob, Input, input_decoder, job_decoder

_NICE = 19  # the lowest priority: at 10, a search showed in the p99 of traffic on a busy core


def main() -> None:
    """Run one job."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    gc.disable()  # reference counts free everything here; searching for cycles only costs time
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer

    def send(answer: Answer | ImportAnswer | Failed) -> None:
        stdout.write(encode_frame(answer))
        stdout.flush()

    def receive() -> Input:
        message: Input = input_decoder.decode(read_frame(stdin))
        return message

    try:
        job = job_decoder.decode(read_frame(stdin))
        if isinstance(job, ImportJob):
            read_file(job, send)
            return
        source: CallSource = (
            SessionCallSource(job.origin) if job.origin.session else InputCallSource(job.origin, receive)
        )
        run_job(job, source, send)
    except LoomError as error:
        send(Failed(str(error)))
    except (BrokenPipeError, EOFError):  # the parent has closed its end
        os._exit(1)
    except (msgspec.MsgspecError, ValueError, MemoryError) as error:
        send(Failed(f"the recorded calls could not be read: {error}"))


main()
