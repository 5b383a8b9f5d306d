// Command openload sends GET requests at a fixed rate over keep-alive connections and prints what came back as one JSON object.
//
// It is the benchmark's load where latency counts. Each connection has its own timetable; a request whose turn comes while the answer before
// it is still awaited is sent late, and its latency counts from its turn, so a server that stalls is charged for every request that waited.
// What the generator itself is late by (a timer that fired after its turn) is not the server's and is told apart.
// It sends to the loopback address only and ends by itself.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

type order struct {
	port, connections  int
	path               string
	rate               float64
	duration, patience time.Duration
}

// seen is what one connection saw, and after add what all did.
type seen struct {
	latencies []time.Duration
	late      []time.Duration // of the generator
	bytes     int64
	errors    map[string]int
}

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
	flag.StringVar(&o.path, "path", "/", "what to GET")
	flag.IntVar(&o.connections, "connections", 1, "keep-alive connections")
	flag.Float64Var(&o.rate, "rate", 100, "requests per second, all connections together")
	flag.DurationVar(&o.duration, "duration", time.Second, "how long")
	flag.DurationVar(&o.patience, "patience", 5*time.Second, "how long an answer may take")
	flag.Parse()
	if o.port <= 0 || o.connections <= 0 || o.rate <= 0 {
		fmt.Fprintln(os.Stderr, "openload: port, connections and rate must be positive")
		os.Exit(2)
	}
	got, err := run(o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(got)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openload:", err)
		os.Exit(1)
	}
}

// run opens every connection first, so that none is counted, then starts the timetable.
func run(o order) (result, error) {
	connections := make([]net.Conn, o.connections)
	for i := range connections {
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", o.port))
		if err != nil {
			return result{}, fmt.Errorf("connection %d of %d: %w", i+1, o.connections, err)
		}
		defer connection.Close()
		connections[i] = connection
	}
	step := time.Duration(float64(time.Second) / o.rate)
	begin := time.Now().Add(20 * time.Millisecond)
	parts := make([]seen, o.connections)
	var all sync.WaitGroup
	for i, connection := range connections {
		first := begin.Add(step * time.Duration(i))
		all.Go(func() {
			parts[i] = drive(connection, o, first, begin.Add(o.duration), step*time.Duration(o.connections))
		})
	}
	all.Wait()
	took := time.Since(begin)
	total := seen{errors: map[string]int{}}
	for _, part := range parts {
		total.add(part)
	}
	due := int((o.duration + step - 1) / step)
	return total.result(due, max(took, o.duration)), nil
}

// drive sends one connection's requests, each at its turn or as soon after as the answer before it has come.
func drive(connection net.Conn, o order, turn, end time.Time, step time.Duration) seen {
	s := seen{errors: map[string]int{}}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", o.path, o.port)
	reader := bufio.NewReader(connection)
	for ; turn.Before(end); turn = turn.Add(step) {
		since := turn
		if wait := time.Until(turn); wait > 0 {
			time.Sleep(wait)
			since = time.Now()
			s.late = append(s.late, since.Sub(turn))
		}
		if err := connection.SetDeadline(time.Now().Add(o.patience)); err != nil {
			s.errors["connect"]++
			return s
		}
		if _, err := connection.Write(request); err != nil {
			s.errors["write"]++
			return s
		}
		if kind := s.read(reader); kind != "" {
			s.errors[kind]++
			return s
		}
		s.latencies = append(s.latencies, time.Since(since))
	}
	return s
}

// read takes one answer; what it returns is the kind of error that ends the connection.
func (s *seen) read(reader *bufio.Reader) string {
	answer, err := http.ReadResponse(reader, nil)
	if err == nil {
		var count int64
		count, err = io.Copy(io.Discard, answer.Body)
		s.bytes += count
	}
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case err != nil:
		return "read"
	case answer.StatusCode >= 400:
		s.errors["status"]++
	case answer.Close:
		return "closed"
	}
	return ""
}

func (s *seen) add(other seen) {
	s.latencies = append(s.latencies, other.latencies...)
	s.late = append(s.late, other.late...)
	s.bytes += other.bytes
	for kind, count := range other.errors {
		s.errors[kind] += count
	}
}

func (s *seen) result(due int, took time.Duration) result {
	return result{
		Requests: len(s.latencies), Missing: max(0, due-len(s.latencies)), DurationUS: took.Microseconds(), Bytes: s.bytes,
		P50US: percentile(s.latencies, 50), P99US: percentile(s.latencies, 99), LateP99US: percentile(s.late, 99), Errors: s.errors,
	}
}

// percentile sorts its argument; 0 when that is empty.
func percentile(values []time.Duration, percent int) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	at := min(len(values)-1, len(values)*percent/100)
	return float64(values[at]) / float64(time.Microsecond)
}
