"""The process: one job from standard input, its answers to standard output, then the end.

It takes what processor time is left, and goes when its parent closes either end.
"""

import gc
import os
import sys

import msgspec

from loom.errors import LoomError
from loom.workers import encode_frame, read_frame

from .call_source import SessionCallSource, Source, StreamedCallSource
from .jobs import perform
from .protocol import AnyAnswer, Failed, Sent, job_decoder, sent_decoder

_NICE = 19  # the least: at 10, traffic that fills the core felt a search in its p99


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    # What is read here is let go of by reference counts; looking for cycles among it only takes time.
    gc.disable()
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer

    def answer(thing: AnyAnswer) -> None:
        outgoing.write(encode_frame(thing))
        outgoing.flush()

    def receive() -> Sent:
        sent: Sent = sent_decoder.decode(read_frame(incoming))
        return sent

    try:
        job = job_decoder.decode(read_frame(incoming))
        source: Source = (
            SessionCallSource(job.origin) if job.origin.session else StreamedCallSource(job.origin, receive)
        )
        perform(job, source, answer)
    except LoomError as error:
        answer(Failed(str(error)))
    except (BrokenPipeError, EOFError):  # nobody wants the answer any more
        os._exit(1)
    except (msgspec.MsgspecError, ValueError, MemoryError) as error:
        answer(Failed(f"the recorded calls could not be read: {error}"))


main()
