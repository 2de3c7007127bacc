"""Methods of a channel with bytes for messages; type information of grpcio does not know that they may be."""

import grpc.aio


def unary_unary(channel: grpc.aio.Channel, method: str) -> "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]":
    return channel.unary_unary(method)


def unary_stream(channel: grpc.aio.Channel, method: str) -> "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]":
    return channel.unary_stream(method)


def stream_unary(channel: grpc.aio.Channel, method: str) -> "grpc.aio.StreamUnaryMultiCallable[bytes, bytes]":
    return channel.stream_unary(method)


def stream_stream(
    channel: grpc.aio.Channel, method: str
) -> "grpc.aio.StreamStreamMultiCallable[bytes, bytes]":
    return channel.stream_stream(method)
