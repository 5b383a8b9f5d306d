package speyside

import (
	"context"
	"errors"
	"time"

	"speyside.dev/speyside/internal/front"
	"speyside.dev/speyside/internal/observe"
)

// countPatience is how long a loop may take to say what it has in hand.
const countPatience = time.Second

// stopping is a drain that ends the server.
type stopping struct {
	began  time.Time
	before observe.Values  // what the loops had at its beginning
	end    context.Context // when it is cut short; nil until the listeners close
	cut    bool
}

// Drain has Run answer what was accepted and return. It does not wait, and may be called more than once.
func (r *Server) Drain() { r.drainOnce.Do(func() { close(r.drain) }) }

// Interrupt drains as [Server.Drain] does, and has the hooks of workers know that the server was interrupted.
func (r *Server) Interrupt() {
	r.interrupted.Store(true)
	r.Drain()
}

// awaitStop ends the server in the way it is asked to.
func (r *Server) awaitStop(ctx, alive context.Context) {
	select {
	case <-r.drain:
		r.finish(ctx)
	case <-ctx.Done():
	case <-alive.Done():
		return
	}
	if ctx.Err() != nil && alive.Err() == nil {
		r.managed.notifier.Stopping("Stopping at once")
		r.cutShort()         // before the first worker dies of it
		r.generations.Stop() // so that it is no reload that has failed
		r.preparing.end()
		r.generations.Kill(nil)
	}
}

// finish answers what was accepted, then lets the workers finish, both within graceful_timeout. What comes during drain_delay
// is accepted too: until it is over balancers may not have seen that the server is not ready.
func (r *Server) finish(ctx context.Context) {
	s := &stopping{began: time.Now()}
	r.mu.Lock()
	r.stopping = s
	successor := r.upgrade.take()
	delay := r.settings().DrainDelay
	if !r.accepting || r.upgrade.done {
		delay = 0
	}
	r.mu.Unlock()
	r.managed.notifier.Stopping("Answering what was accepted")
	r.front.AnnounceDrain()
	s.before = r.count()
	fields := []any{"graceful_timeout", r.settings().GracefulTimeout, "connections", s.before[observe.Connections], "requests", inHand(&s.before)}
	if delay > 0 {
		fields = append(fields, "drain_delay", delay)
	}
	r.log.Info("drain began", fields...)
	r.generations.Stop()
	r.preparing.end()
	r.giveUp(successor)
	over := time.NewTimer(delay)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(ctx, r.settings().GracefulTimeout)
	defer cancel()
	r.mu.Lock()
	s.end = end
	r.mu.Unlock()
	if err := errors.Join(r.front.Drain(end), end.Err()); err != nil { // with nothing left to answer it may not notice
		r.cutDrain(end)
	}
	r.generations.Retire()
	ended := make(chan struct{})
	go func() {
		_ = r.generations.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done(): // told to stop at once: a generation before this one may have more time than that
	}
}

// cutDrain says that the drain ends before everything was answered, and what was not.
func (r *Server) cutDrain(end context.Context) {
	left := r.count()
	r.log.Warn("drain cut short", "why", cause(end), "connections", left[observe.Connections], "requests", inHand(&left))
	r.cutShort()
}

// concluded tells of a drain that has come to its end: how long it took, and how many connections and requests it saw to.
func (r *Server) concluded() {
	r.mu.Lock()
	s := r.stopping
	done := s != nil && !s.cut
	r.mu.Unlock()
	if !done {
		return
	}
	before, now := &s.before, r.count()
	r.log.Info("drained", "seconds", time.Since(s.began).Round(time.Millisecond).Seconds(),
		"connections", before[observe.Connections]+now[observe.ConnectionsTotal]-before[observe.ConnectionsTotal],
		"requests", inHand(before)+now[observe.RequestsTotal]-before[observe.RequestsTotal])
}

// count is what the loops have now.
func (r *Server) count() observe.Values {
	ctx, cancel := context.WithTimeout(context.Background(), countPatience)
	defer cancel()
	return r.front.Snapshot(ctx, []*front.Generation{}).Values
}

// inHand is how many requests wait for a worker or for the end of their reply.
func inHand(v *observe.Values) uint64 {
	return v[observe.RequestsWaiting] + v[observe.RequestsQueued] + v[observe.RequestsRunning] + v[observe.RequestsSending]
}

// cutShort says that workers are ended from now on because the server stops.
func (r *Server) cutShort() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping != nil {
		r.stopping.cut = true
	}
	for l := range r.loads {
		l.line.CutShort()
	}
}

// drainCut notes that not everything could be finished.
func (r *Server) drainCut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping != nil {
		r.stopping.cut = true
	}
}

// drainContext is how long a generation that is to end may finish its requests.
func (r *Server) drainContext() (context.Context, context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping != nil && r.stopping.end != nil {
		return context.WithCancel(r.stopping.end)
	}
	return context.WithTimeout(context.Background(), r.settings().GracefulTimeout)
}

// cause says in the operator's words why a drain ended before its time.
func cause(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "graceful_timeout is over"
	}
	return "told to stop at once"
}
