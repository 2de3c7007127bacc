"""One side of a connection as a sender: its frames, its header blocks, and the windows that the other side grants."""

from .flow_control import DEFAULT_WINDOW, Window
from .frames import FrameParser, ParseError
from .headers import HeaderDecoder
from .limits import ConnectionLimits

_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE = 1, 4  # of SETTINGS


class Sender:
    """What has to be kept of the bytes of one side."""

    def __init__(self) -> None:
        self.frames = FrameParser()
        self.has_settings = False
        """Whether the other side has sent SETTINGS, with which it begins."""
        self.headers = HeaderDecoder()
        self.window = Window(DEFAULT_WINDOW)  # of the connection
        self.initial_window = DEFAULT_WINDOW  # of a new stream
        self.table_sizes: list[int] = []  # set by the other side, and not yet acknowledged by this one
        self.block_pieces: list[bytes] = []  # of a header block that continues in CONTINUATION
        self.block_size = 0
        self.block_frames = 0
        self.block_stream_id = 0
        self.block_end_stream = 0

    @property
    def is_between_frames(self) -> bool:
        """Whether its bytes so far end with a frame, and not inside a header block."""
        return self.frames.is_between_frames and not self.block_stream_id

    def start_block(self, stream_id: int, payload: bytes, end_stream: int) -> None:
        """Keep the start of a header block that continues in CONTINUATION."""
        self.block_pieces = [payload]
        self.block_size = len(payload)
        self.block_frames = 1
        self.block_stream_id = stream_id
        self.block_end_stream = end_stream

    def continue_block(self, payload: bytes, limits: ConnectionLimits) -> None:
        """Add the payload of a CONTINUATION frame. Raises :class:`ParseError` past a limit."""
        if payload:  # empty ones cost their sender nothing, and must not accumulate here
            self.block_pieces.append(payload)
        self.block_size += len(payload)
        self.block_frames += 1
        if self.block_size > limits.header_block_bytes:
            raise ParseError(f"a header block of more than {limits.header_block_bytes} bytes came")
        if self.block_frames > limits.header_block_frames:
            raise ParseError(f"a header block of more than {limits.header_block_frames} frames came")

    def end_block(self) -> bytes:
        """The complete header block."""
        block = b"".join(self.block_pieces)
        self.block_pieces, self.block_stream_id = [], 0
        return block

    def receive_settings(self, payload: bytes, limits: ConnectionLimits) -> int:
        """Take what a SETTINGS frame of the other side asks for; return the change of this side's initial window.

        Raises :class:`ParseError` if too many such frames are not acknowledged.
        """
        self.has_settings = True
        initial_window = self.initial_window
        table_size = self.table_sizes[-1] if self.table_sizes else self.headers.max_table_size
        for position in range(0, len(payload) - 5, 6):
            setting = int.from_bytes(payload[position : position + 2], "big")
            value = int.from_bytes(payload[position + 2 : position + 6], "big")
            if setting == _HEADER_TABLE_SIZE:
                table_size = value
            elif setting == _INITIAL_WINDOW_SIZE:
                initial_window = value
        # Every SETTINGS is acknowledged, so every one has its place in the queue.
        maximum = limits.unacknowledged_settings
        if len(self.table_sizes) >= maximum:
            raise ParseError(f"more than {maximum} SETTINGS frames were not acknowledged")
        self.table_sizes.append(table_size)
        change, self.initial_window = initial_window - self.initial_window, initial_window
        return change

    def acknowledge_settings(self) -> None:
        """Apply the oldest SETTINGS frame that was not acknowledged."""
        if self.table_sizes:
            self.headers.set_max_table_size(self.table_sizes.pop(0))
