package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tick is how often a trickling connection sends a piece.
const tick = 100 * time.Millisecond

// seen is what one connection saw, and after add what all did.
type seen struct {
	latencies []time.Duration
	late      []time.Duration // of the generator
	bytes     int64
	errors    map[string]int
}

// driver is one connection with its timetable.
type driver struct {
	order
	seen
	connection net.Conn
	reader     *bufio.Reader
	sum        hash.Hash32
	left       *atomic.Int64 // requests that may still be sent, of all drivers
}

// run opens every connection first, so that none is counted, then starts the timetable.
func run(o order) (result, error) {
	address := fmt.Sprintf("127.0.0.1:%d", o.port)
	var left atomic.Int64
	left.Store(int64(o.requests))
	drivers := make([]*driver, o.connections+o.idle)
	for i := range drivers {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			return result{}, fmt.Errorf("connection %d of %d: %w", i+1, len(drivers), err)
		}
		drivers[i] = &driver{order: o, seen: seen{errors: map[string]int{}}, sum: crc32.NewIEEE(), left: &left}
		drivers[i].use(connection)
		defer drivers[i].close()
		// A connection that never sent anything is another thing than one that idles between two requests.
		if o.idle > 0 {
			if kind := drivers[i].exchange(); kind != "" || len(drivers[i].errors) > 0 {
				return result{}, fmt.Errorf("first request of connection %d of %d: %s %v", i+1, len(drivers), kind, drivers[i].errors)
			}
			drivers[i].bytes = 0
		}
	}
	begin := time.Now().Add(20 * time.Millisecond)
	var all sync.WaitGroup
	for i, d := range drivers[:o.connections] {
		all.Go(func() {
			time.Sleep(time.Until(begin))
			if o.rate > 0 {
				d.keepTime(begin, i)
			} else {
				d.closedLoop(begin.Add(o.duration))
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	total := seen{errors: map[string]int{}}
	for _, d := range drivers[:o.connections] {
		total.add(d.seen)
	}
	due := 0
	if o.rate > 0 {
		due, took = int((o.duration+o.step()-1)/o.step()), max(took, o.duration)
	}
	return total.result(due, took), nil
}

// step is the time between two requests of all connections.
func (o *order) step() time.Duration { return time.Duration(float64(time.Second) / o.rate) }

// keepTime sends the requests of connection number i, each at its turn or as soon after as the answer before it has come.
func (d *driver) keepTime(begin time.Time, i int) {
	end := begin.Add(d.duration)
	for turn := begin.Add(d.step() * time.Duration(i)); turn.Before(end); turn = turn.Add(d.step() * time.Duration(d.connections)) {
		since := turn
		if wait := time.Until(turn); wait > 0 {
			time.Sleep(wait)
			since = time.Now()
			d.late = append(d.late, since.Sub(turn))
		}
		if !d.turn(since) {
			return
		}
	}
}

// closedLoop sends until the end or until the number is reached; what was sent by then is waited for.
func (d *driver) closedLoop(end time.Time) {
	for {
		if d.requests > 0 && d.left.Add(-1) < 0 || d.requests == 0 && !time.Now().Before(end) {
			return
		}
		if !d.turn(time.Now()) {
			return
		}
	}
}

// turn is one request; false when the connection is of no more use.
func (d *driver) turn(since time.Time) bool {
	if d.fresh {
		d.close()
		connection, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", d.port), d.patience)
		if err != nil {
			d.errors["connect"]++
			return true
		}
		d.use(connection)
	}
	if kind := d.exchange(); kind != "" {
		d.errors[kind]++
		return d.fresh
	}
	d.latencies = append(d.latencies, time.Since(since))
	return true
}

func (d *driver) use(connection net.Conn) {
	d.connection = connection
	d.reader = bufio.NewReader(connection)
}

func (d *driver) close() {
	// Nothing was written that a failed Close could lose.
	_ = d.connection.Close()
}

// exchange sends the request and takes the answer; what it returns is the kind of error that ends the connection.
func (d *driver) exchange() string {
	if err := d.send(); err != nil {
		return "write"
	}
	if err := d.connection.SetReadDeadline(time.Now().Add(d.patience)); err != nil {
		return "connect"
	}
	return d.read()
}

// send writes the request: at once, or the head and then the body in pieces.
func (d *driver) send() error {
	if d.trickle == 0 {
		if err := d.connection.SetWriteDeadline(time.Now().Add(d.patience)); err != nil {
			return err
		}
		_, err := d.connection.Write(d.request)
		return err
	}
	head := bytes.Index(d.request, []byte("\r\n\r\n")) + len("\r\n\r\n")
	if _, err := d.connection.Write(d.request[:head]); err != nil {
		return err
	}
	piece := max(1, d.trickle*int(tick)/int(time.Second))
	for part := range slices.Chunk(d.request[head:], piece) {
		time.Sleep(tick)
		if _, err := d.connection.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// read takes one answer and compares it.
func (d *driver) read() string {
	answer, err := http.ReadResponse(d.reader, nil)
	var count int64
	d.sum.Reset()
	if err == nil {
		count, err = io.Copy(d.sum, answer.Body)
		d.bytes += count
	}
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case err != nil:
		return "read"
	case answer.StatusCode == http.StatusServiceUnavailable:
		d.errors["shed"]++
	case answer.StatusCode >= 400:
		d.errors["status"]++
	case d.size >= 0 && (count != d.size || uint64(d.sum.Sum32()) != d.crc):
		d.errors["body"]++
	}
	if answer.Close && !d.fresh {
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
