package observe

// Metric is one thing that is counted or measured: an index into Values. Its entry in the table says what it means.
type Metric int

// The metrics, in the order of the table.
const (
	ConnectionsTotal Metric = iota
	RequestsTotal
	RequestsAbandonedTotal
	QueueFullTotal
	QueueTimedOutTotal
	HealthChecksTotal
	Refused4xxTotal
	Replies500Total
	Replies502Total
	Replies503Total
	Replies504Total
	RepliesCutTotal
	AccessLinesLostTotal
	WorkersAddedTotal
	WorkersDismissedTotal
	Connections
	ConnectionsIdle
	RequestsWaiting
	RequestsQueued
	RequestsRunning
	RequestsSending
	RequestsLeft
	RequestsOverdue
	SlotsFree
	Workers
	QueueWait
	metricCount
)

// Kind says how the values of a metric go together.
type Kind string

// The kinds. Those of all loops are added up, whichever it is, but for QueueWait.
const (
	Counter Kind = "counter" // since the start; it never falls
	Gauge   Kind = "gauge"   // now
)

// Description is a metric's entry in the table.
type Description struct {
	Name string // for status, and for whoever collects metrics
	Kind Kind
	Unit string
	Help string
}

// descriptions is the one table of metrics; docs/metrics.md is generated from it. It never changes.
var descriptions = [metricCount]Description{
	ConnectionsTotal:       {"connections_total", Counter, "connections", "Connections of clients that were accepted."},
	RequestsTotal:          {"requests_total", Counter, "requests", "Complete requests that were put in line for the application."},
	RequestsAbandonedTotal: {"requests_abandoned_total", Counter, "requests", "Requests that were dropped because their client left before a worker had begun them."},
	QueueFullTotal:         {"queue_full_total", Counter, "requests", "Requests that were refused because queue_limit others waited."},
	QueueTimedOutTotal:     {"queue_timed_out_total", Counter, "requests", "Requests that no worker began with within queue_timeout."},
	HealthChecksTotal:      {"health_checks_total", Counter, "requests", "Health checks that were answered without the application, on the addresses of the application."},
	Refused4xxTotal: {"refused_4xx_total", Counter, "replies",
		"Requests that were answered with a status from 400 to 499 without the application: malformed, too large, too slow."},
	Replies500Total: {"replies_500_total", Counter, "replies", "Replies with 500 that the server gave in place of the application, which had failed."},
	Replies502Total: {"replies_502_total", Counter, "replies", "Replies with 502: a worker died while it ran the request."},
	Replies503Total: {"replies_503_total", Counter, "replies", "Replies with 503 that the server gave: there was no room, or no time left before a stop."},
	Replies504Total: {"replies_504_total", Counter, "replies", "Replies with 504: the application did not answer in time."},
	RepliesCutTotal: {"replies_cut_total", Counter, "replies", "Replies that had begun and were not completed; the client could see that."},
	AccessLinesLostTotal: {"access_lines_lost_total", Counter, "lines",
		"Lines of the access log that were not written: they came faster than they could be, or the file took no more."},
	WorkersAddedTotal:     {"workers_added_total", Counter, "workers", "Workers that were added because requests waited, where workers_min or workers_max is set."},
	WorkersDismissedTotal: {"workers_dismissed_total", Counter, "workers", "Workers that were dismissed after workers_calm, where workers_min or workers_max is set."},
	Connections:           {"connections", Gauge, "connections", "Connections of clients that are open."},
	ConnectionsIdle:       {"connections_idle", Gauge, "connections", "Connections that are between two requests."},
	RequestsWaiting:       {"requests_waiting", Gauge, "connections", "Connections that wait for a slot: all are in use."},
	RequestsQueued:        {"requests_queued", Gauge, "requests", "Requests in line that no worker has begun."},
	RequestsRunning:       {"requests_running", Gauge, "requests", "Requests that the application is working on, or streams a reply to."},
	RequestsSending:       {"requests_sending", Gauge, "requests", "Requests whose reply is complete and not taken by the client yet."},
	RequestsLeft: {"requests_left", Gauge, "requests",
		"Requests whose client has left while the application was working on them, and that it has not given back yet."},
	RequestsOverdue: {"requests_overdue", Gauge, "requests",
		"Requests that were answered with 504 and that the application has not given back yet."},
	SlotsFree: {"slots_free", Gauge, "slots", "Requests that could be taken in addition."},
	Workers:   {"workers", Gauge, "workers", "Workers that there should be, of one generation: the number that settings, orders and demand have made."},
	QueueWait: {"queue_wait_ms", Gauge, "milliseconds", "How long the oldest request in line has waited that no worker has begun; of all event loops the longest."},
}

// Metrics returns the table.
func Metrics() []Description { return append([]Description(nil), descriptions[:]...) }

// Values holds a value for each metric. The zero value is ready; it is for one goroutine, as a loop has it.
type Values [metricCount]uint64

// Add adds the values of another loop.
func (v *Values) Add(other *Values) {
	longest := max(v[QueueWait], other[QueueWait])
	for i := range v {
		v[i] += other[i]
	}
	v[QueueWait] = longest
}

// ByName returns the values under the names of the table.
func (v *Values) ByName() map[string]uint64 {
	named := make(map[string]uint64, len(v))
	for i, value := range v {
		named[descriptions[i].Name] = value
	}
	return named
}

// CountReply counts a reply of the server's own.
func (v *Values) CountReply(status int) {
	switch {
	case status == 500:
		v[Replies500Total]++
	case status == 502:
		v[Replies502Total]++
	case status == 503:
		v[Replies503Total]++
	case status == 504:
		v[Replies504Total]++
	case status < 500:
		v[Refused4xxTotal]++
	}
}
