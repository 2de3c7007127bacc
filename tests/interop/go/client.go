package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// outcome is a call as the client saw it.
type outcome struct {
	Scenario string              `json:"scenario"`
	Header   map[string][]string `json:"header"`
	Messages []string            `json:"messages"`
	Code     string              `json:"code"`
	Message  string              `json:"message"`
	Details  []string            `json:"details"`
	Trailer  map[string][]string `json:"trailer"`
	Note     string              `json:"note"`
}

type client struct {
	conn *grpc.ClientConn
}

var bidi = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

func call(address string) {
	conn, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)),
		grpc.WithUserAgent("interop/1"),
	)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	c := client{conn}
	c.kinds()
	c.statuses()
	c.early()
	c.headers()
	c.endings()
	c.sizes()
}

// open starts a call; a zero timeout means none.
func (c client) open(scenario, method string, timeout time.Duration, pairs ...string) (grpc.ClientStream, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, append([]string{"scenario", scenario}, pairs...)...)
	stream, err := c.conn.NewStream(ctx, bidi, "/zoo.Zoo/"+method)
	if err != nil {
		panic(err)
	}
	return stream, cancel
}

func send(stream grpc.ClientStream, messages ...string) {
	for _, text := range messages {
		message := []byte(text)
		if err := stream.SendMsg(&message); err != nil {
			return
		}
	}
}

func brief(message []byte) string {
	if len(message) <= 40 {
		return fmt.Sprintf("%q", message)
	}
	sum := sha256.Sum256(message)
	return fmt.Sprintf("%d bytes %s", len(message), hex.EncodeToString(sum[:8]))
}

// finish reads to the end and prints what came.
func finish(scenario string, stream grpc.ClientStream, note string) {
	result := outcome{Scenario: scenario, Note: note}
	var err error
	for {
		var message []byte
		if err = stream.RecvMsg(&message); err != nil {
			break
		}
		result.Messages = append(result.Messages, brief(message))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	result.Header, _ = stream.Header()
	result.Trailer = stream.Trailer()
	said := status.Convert(err)
	result.Code, result.Message = said.Code().String(), said.Message()
	for _, detail := range said.Details() {
		result.Details = append(result.Details, fmt.Sprint(detail))
	}
	say(result)
}

func (c client) kinds() {
	stream, _ := c.open("bidi", "Echo", 0, "echo-a", "1", "echo-b-bin", "\x00\xff\x10", "echo-a", "2", "echo-empty", "")
	for number := range 5 {
		send(stream, fmt.Sprint("ping ", number))
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			panic(err)
		}
	}
	_ = stream.CloseSend()
	finish("bidi", stream, "")

	ctx := metadata.AppendToOutgoingContext(context.Background(), "scenario", "unary")
	request, answer := []byte("hello"), []byte{}
	var header, trailer metadata.MD
	err := c.conn.Invoke(ctx, "/zoo.Zoo/Echo", &request, &answer, grpc.Header(&header), grpc.Trailer(&trailer))
	say(outcome{Scenario: "unary", Header: header, Trailer: trailer, Messages: []string{brief(answer)}, Code: status.Code(err).String()})

	ctx = metadata.AppendToOutgoingContext(context.Background(), "scenario", "gzip")
	request = []byte(strings.Repeat("squeeze ", 1000))
	err = c.conn.Invoke(ctx, "/zoo.Zoo/Echo", &request, &answer, grpc.UseCompressor(gzip.Name), grpc.Header(&header))
	say(outcome{Scenario: "gzip", Messages: []string{brief(answer)}, Code: status.Code(err).String()})

	stream, _ = c.open("client stream", "Collect", 0)
	send(stream, "a", "bb", "", "ccc")
	_ = stream.CloseSend()
	finish("client stream", stream, "")

	stream, _ = c.open("server stream", "Repeat", 0)
	send(stream, "5 3")
	_ = stream.CloseSend()
	finish("server stream", stream, "")

	stream, _ = c.open("empty messages", "Echo", 0)
	send(stream, "", "", "")
	_ = stream.CloseSend()
	finish("empty messages", stream, "")

	stream, _ = c.open("no messages", "Echo", 0)
	_ = stream.CloseSend()
	finish("no messages", stream, "")
}

func (c client) statuses() {
	for code := range 17 {
		scenario := fmt.Sprint("status ", code)
		stream, _ := c.open(scenario, "Status", 0, "code", fmt.Sprint(code), "details", "yes")
		finish(scenario, stream, "")
	}
	stream, _ := c.open("unknown method", "NoSuchMethod", 0)
	finish("unknown method", stream, "")
	stream, _ = c.open("partial", "Partial", 0)
	time.Sleep(50 * time.Millisecond)
	finish("partial", stream, "")
}

// early has the backend answer while the client is still sending.
func (c client) early() {
	for _, method := range []string{"Early", "EarlyOK", "EarlyHeader"} {
		for round := range 30 {
			scenario := fmt.Sprintf("%s %d", method, round)
			stream, _ := c.open(scenario, method, 0)
			for {
				message := make([]byte, 5000)
				if err := stream.SendMsg(&message); err != nil {
					break
				}
			}
			finish(scenario, stream, "")
		}
	}
}

func (c client) headers() {
	for _, method := range []string{"Header", "BareHeader"} {
		stream, cancel := c.open(method, method, 0)
		header, err := stream.Header()
		say(outcome{Scenario: method, Header: header, Code: status.Code(err).String(), Note: "before any message"})
		cancel()
		finish(method+" cancelled", stream, "")
	}
}

func (c client) endings() {
	stream, cancel := c.open("cancelled", "Hang", 0)
	send(stream, "one", "two")
	time.Sleep(100 * time.Millisecond)
	cancel()
	finish("cancelled", stream, "")

	stream, _ = c.open("deadline", "Hang", 400*time.Millisecond)
	send(stream, "one")
	finish("deadline", stream, "")

	stream, cancel = c.open("far deadline", "Echo", time.Hour)
	_ = stream.CloseSend()
	finish("far deadline", stream, "")
	cancel()

	stream, cancel = c.open("interrupted upload", "Collect", 0)
	send(stream, "one", "two")
	time.Sleep(100 * time.Millisecond)
	cancel()
	finish("interrupted upload", stream, "")

	stream, cancel = c.open("blocked upload", "Header", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			message := make([]byte, 1<<20)
			if stream.SendMsg(&message) != nil {
				return
			}
		}
	}()
	time.Sleep(500 * time.Millisecond)
	cancel()
	<-done
	finish("blocked upload", stream, "")
}

func (c client) sizes() {
	stream, _ := c.open("16 MiB", "Echo", 0)
	big := strings.Repeat("0123456789abcdef", 1<<20)
	go func() {
		send(stream, big)
		_ = stream.CloseSend()
	}()
	finish("16 MiB", stream, "")

	stream, _ = c.open("big metadata", "Echo", 0, "echo-big", strings.Repeat("x", 200_000))
	_ = stream.CloseSend()
	finish("big metadata", stream, "")

	stream, _ = c.open("10000 messages", "Repeat", 0)
	send(stream, "10000 0")
	_ = stream.CloseSend()
	count := 0
	var message []byte
	for stream.RecvMsg(&message) == nil {
		count++
	}
	say(outcome{Scenario: "10000 messages", Note: fmt.Sprint(count)})
}
