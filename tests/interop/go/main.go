// A gRPC client and a gRPC backend of grpc-go, for comparing what each sees with and without
// a proxy between them. "interop backend" prints its port, then one JSON line per call as it saw it;
// "interop client HOST:PORT" runs every scenario and prints one JSON line for each. "interop reflection backend" prints
// its port and serves services with reflection; "interop faults HOST:PORT" makes the calls on standard input.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

var printing sync.Mutex

// say prints one JSON line.
func say(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(line))
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "backend":
		serve()
	case len(os.Args) == 3 && os.Args[1] == "reflection" && os.Args[2] == "backend":
		reflect()
	case len(os.Args) == 3 && os.Args[1] == "client":
		call(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "faults":
		callFaults(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: interop [reflection] backend | interop client|faults HOST:PORT")
		os.Exit(2)
	}
}
