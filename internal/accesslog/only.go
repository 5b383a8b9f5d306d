package accesslog

import "time"

// Only says which requests have a line: those of which one of its conditions is true, and all of them without any.
type Only []Condition

// Condition is true of some requests. What it does not name has no bearing on it.
type Condition struct {
	Low, High int           // the status; both 0: any
	Slow      time.Duration // the least that the request took
	Big       int64         // the least bytes of the reply's body
	Empty     bool          // the reply has no body
}

// broken is the status that a reply counts as which the server broke off: the client was not served, whatever the head said.
const broken = 500

// Wants reports whether a request that has ended has a line.
func (o Only) Wants(e *End) bool {
	for i := range o {
		if o[i].holds(e) {
			return true
		}
	}
	return len(o) == 0
}

func (c *Condition) holds(e *End) bool {
	status := e.Status
	if status < broken && (e.Outcome == Cut || e.Outcome == TimedOut) {
		status = broken
	}
	return (c.High == 0 || c.Low <= status && status <= c.High) && e.Took >= c.Slow && e.Sent >= c.Big && (!c.Empty || e.Sent == 0)
}
