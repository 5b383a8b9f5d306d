// Command openload sends one request, read from its standard input, again and again to a port of the loopback address, checks every answer and
// prints what came back as one JSON object. It is the benchmark's load where latency counts, and where wrk cannot send what a scenario asks for.
//
// With a rate, each connection has its own timetable; a request whose turn comes while the answer before it is still awaited is sent late, and
// its latency counts from its turn, so a server that stalls is charged for every request that waited. What the generator itself is late by
// (a timer that fired after its turn) is not the server's and is told apart. Without one, a connection sends when it has its answer.
// It sends to the loopback address only and ends by itself.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// order is what one run does.
type order struct {
	port, connections, idle, requests, trickle int
	rate                                       float64
	duration, patience                         time.Duration
	fresh                                      bool
	request                                    []byte
	size                                       int64
	crc                                        uint64
}

// result is what is printed.
type result struct {
	Requests   int            `json:"requests"`
	Missing    int            `json:"missing"` // due by the timetable, and not answered
	DurationUS int64          `json:"duration_us"`
	Bytes      int64          `json:"bytes"`
	P50US      float64        `json:"p50_us"`
	P99US      float64        `json:"p99_us"`
	LateP99US  float64        `json:"late_p99_us"`
	Errors     map[string]int `json:"errors"`
}

func main() {
	var o order
	flag.IntVar(&o.port, "port", 0, "port of the loopback address")
	flag.IntVar(&o.connections, "connections", 1, "keep-alive connections")
	flag.IntVar(&o.idle, "idle", 0, "more connections, which send nothing more when all connections have had one answer")
	flag.Float64Var(&o.rate, "rate", 0, "requests per second, all connections together; 0: when the answer has come")
	flag.IntVar(&o.requests, "requests", 0, "end after so many, without a rate; 0: after the duration")
	flag.IntVar(&o.trickle, "trickle", 0, "bytes per second in which a connection sends its body; 0: at once")
	flag.BoolVar(&o.fresh, "fresh", false, "a new connection for each request")
	flag.DurationVar(&o.duration, "duration", time.Second, "how long")
	flag.DurationVar(&o.patience, "patience", 5*time.Second, "how long an answer may take")
	flag.Int64Var(&o.size, "size", -1, "bytes of a right answer's body; -1: any")
	flag.Uint64Var(&o.crc, "crc", 0, "CRC-32 of a right answer's body")
	flag.Parse()
	if err := act(o); err != nil {
		fmt.Fprintln(os.Stderr, "openload:", err)
		os.Exit(1)
	}
}

// act reads the request, runs, and prints.
func act(o order) error {
	if o.port <= 0 || o.connections <= 0 || o.rate < 0 {
		return fmt.Errorf("port and connections must be positive, and the rate not negative")
	}
	request, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	o.request = request
	got, err := run(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}
