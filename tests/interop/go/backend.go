package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// seen is a call as the backend saw it.
type seen struct {
	Scenario string              `json:"scenario"`
	Method   string              `json:"method"`
	Metadata map[string][]string `json:"metadata"`
	Deadline string              `json:"deadline"`
	Messages int                 `json:"messages"`
	Bytes    int                 `json:"bytes"`
	End      string              `json:"end"`
	Context  string              `json:"context"`
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(
		grpc.UnknownServiceHandler(handle),
		grpc.ForceServerCodec(rawCodec{}),
		grpc.MaxRecvMsgSize(1<<30),
		grpc.MaxSendMsgSize(1<<30),
		grpc.MaxHeaderListSize(8<<20),
	)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}

func handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	md, _ := metadata.FromIncomingContext(stream.Context())
	call := &seen{Scenario: strings.Join(md["scenario"], ","), Method: method, Metadata: md, Deadline: deadline(stream.Context())}
	err := behave(method[strings.LastIndex(method, "/")+1:], stream, md, call)
	if stream.Context().Err() != nil {
		call.Context = stream.Context().Err().Error()
		if _, ok := stream.Context().Deadline(); ok {
			// Whether its own clock or the client's reset comes first is a race without any proxy, too.
			call.Context, call.End = "over", ""
		}
	}
	say(call)
	return err
}

// deadline is what is left of it, to the second: enough to compare, and steady.
func deadline(ctx context.Context) string {
	at, ok := ctx.Deadline()
	if !ok {
		return "none"
	}
	return time.Until(at).Round(time.Second).String()
}

func behave(name string, stream grpc.ServerStream, md metadata.MD, call *seen) error {
	switch name {
	case "Echo":
		return echo(stream, md, call)
	case "Collect":
		return collect(stream, call)
	case "Repeat":
		return repeat(stream, call)
	case "Status":
		return fail(stream, md)
	case "Partial":
		return partial(stream)
	case "Early":
		return status.Error(codes.PermissionDenied, "not for you")
	case "EarlyOK":
		stream.SetTrailer(metadata.Pairs("early", "ok"))
		return nil
	case "EarlyHeader":
		_ = receive(stream, call)
		_ = stream.SendHeader(metadata.Pairs("first", "seen"))
		return status.Error(codes.FailedPrecondition, "the first was enough")
	case "Header", "BareHeader":
		if name == "Header" {
			_ = stream.SendHeader(metadata.Pairs("early", "yes", "early", "again", "early-bin", "\x00\xff"))
		} else {
			_ = stream.SendHeader(metadata.MD{})
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	case "Hang":
		for receive(stream, call) == nil {
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	return status.Errorf(codes.Unimplemented, "unknown method %s", name)
}

// receive takes one message and notes how the stream of them ended.
func receive(stream grpc.ServerStream, call *seen) error {
	var message []byte
	err := stream.RecvMsg(&message)
	switch {
	case err == nil:
		call.Messages++
		call.Bytes += len(message)
	case errors.Is(err, io.EOF):
		call.End = "half-closed"
	default:
		call.End = status.Code(err).String()
	}
	return err
}

func echo(stream grpc.ServerStream, md metadata.MD, call *seen) error {
	back := metadata.MD{}
	for key, values := range md {
		if strings.HasPrefix(key, "echo-") {
			back[key] = values
		}
	}
	if len(back) > 0 {
		_ = stream.SetHeader(back)
		stream.SetTrailer(back)
	}
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			call.End = "half-closed"
			return nil
		}
		if err != nil {
			call.End = status.Code(err).String()
			return err
		}
		call.Messages++
		call.Bytes += len(message)
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

func collect(stream grpc.ServerStream, call *seen) error {
	for receive(stream, call) == nil {
	}
	if call.End != "half-closed" {
		return status.Error(codes.Aborted, "the upload was interrupted")
	}
	answer := []byte(fmt.Sprintf("%d %d", call.Messages, call.Bytes))
	return stream.SendMsg(&answer)
}

func repeat(stream grpc.ServerStream, call *seen) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	words := strings.Fields(string(request))
	count, _ := strconv.Atoi(words[0])
	size, _ := strconv.Atoi(words[1])
	for number := range count {
		message := make([]byte, size)
		if size > 0 {
			message[0] = byte(number)
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
		call.Messages++
	}
	return nil
}

func fail(stream grpc.ServerStream, md metadata.MD) error {
	code, _ := strconv.Atoi(md["code"][0])
	stream.SetTrailer(metadata.Pairs("left", "one", "left", "two", "left-bin", "\x00\xff"))
	made := status.New(codes.Code(code), "grüße 世界 % \n ☃")
	if len(md["details"]) > 0 && code != 0 {
		made, _ = made.WithDetails(&errdetails.ErrorInfo{Reason: "ZOO", Domain: "zoo.test"})
	}
	return made.Err()
}

func partial(stream grpc.ServerStream) error {
	for number := range 3 {
		message := []byte{byte(number)}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	return status.Error(codes.ResourceExhausted, "three are enough")
}
