package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// faultCall is a call to make, as tests/interop/fault_scenarios.py describes.
type faultCall struct {
	Scenario  string `json:"scenario"`
	Path      string `json:"path"`
	Method    string `json:"method"`
	TimeoutMs int    `json:"timeout_ms"`
}

// faultOutcome is what the application gets of it.
type faultOutcome struct {
	Scenario string              `json:"scenario"`
	Code     uint32              `json:"code"`
	Message  string              `json:"message"`
	Header   map[string][]string `json:"header"`
	Trailer  map[string][]string `json:"trailer"`
	Messages []string            `json:"messages"`
}

// strictCodec cannot decode a message that begins with 0xff.
type strictCodec struct{ rawCodec }

func (codec strictCodec) Unmarshal(data []byte, v any) error {
	if bytes.HasPrefix(data, []byte{0xff}) {
		return errors.New("not decodable")
	}
	return codec.rawCodec.Unmarshal(data, v)
}

// callFaults makes the calls that standard input names.
func callFaults(address string) {
	var requests struct {
		ServiceConfig json.RawMessage `json:"service_config"`
		Calls         []faultCall     `json:"calls"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		panic(err)
	}
	conn, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(requests.ServiceConfig)),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(strictCodec{})),
	)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	for _, request := range requests.Calls {
		say(callFault(conn, request))
	}
}

func callFault(conn *grpc.ClientConn, request faultCall) faultOutcome {
	ctx, cancel := context.WithCancel(context.Background())
	if request.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(request.TimeoutMs)*time.Millisecond)
	}
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "scenario", request.Scenario)
	result := faultOutcome{Scenario: request.Scenario, Messages: []string{}}
	var header, trailer metadata.MD
	var err error
	if request.Method == "Get" {
		message, answer := []byte("a request"), []byte{}
		err = conn.Invoke(ctx, request.Path, &message, &answer, grpc.Header(&header), grpc.Trailer(&trailer))
		if err == nil {
			result.Messages = append(result.Messages, shorten(answer))
		}
	} else {
		header, trailer, err = streamFault(ctx, conn, request, &result)
	}
	result.Code, result.Message = uint32(status.Code(err)), status.Convert(err).Message()
	result.Header, result.Trailer = shownMetadata(header), shownMetadata(trailer)
	return result
}

func streamFault(ctx context.Context, conn *grpc.ClientConn, request faultCall, result *faultOutcome) (metadata.MD, metadata.MD, error) {
	desc := &grpc.StreamDesc{ClientStreams: request.Method != "Watch", ServerStreams: true}
	stream, err := conn.NewStream(ctx, desc, request.Path)
	if err != nil {
		return nil, nil, err
	}
	texts := map[string][]string{"Watch": {"a request"}, "Chat": {"a", "b", "c"}, "Hold": {"a"}}[request.Method]
	for _, text := range texts {
		message := []byte(text)
		_ = stream.SendMsg(&message) // an error is that of RecvMsg, too
		if request.Method != "Watch" {
			if err = receiveFault(stream, result); err != nil {
				break
			}
		}
	}
	if err == nil && request.Method != "Hold" {
		_ = stream.CloseSend()
	}
	for err == nil {
		err = receiveFault(stream, result)
	}
	header, _ := stream.Header()
	if err.Error() == "EOF" {
		err = nil
	}
	return header, stream.Trailer(), err
}

func receiveFault(stream grpc.ClientStream, result *faultOutcome) error {
	var message []byte
	err := stream.RecvMsg(&message)
	if err == nil {
		result.Messages = append(result.Messages, shorten(message))
	}
	return err
}

func shorten(message []byte) string {
	if len(message) < 100 {
		return string(message)
	}
	return fmt.Sprintf("%d bytes", len(message))
}

// shownMetadata has binary values as hex.
func shownMetadata(md metadata.MD) map[string][]string {
	shown := map[string][]string{}
	for key, values := range md {
		for _, value := range values {
			if strings.HasSuffix(key, "-bin") {
				value = hex.EncodeToString([]byte(value))
			}
			shown[key] = append(shown[key], value)
		}
	}
	return shown
}
