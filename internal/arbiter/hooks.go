//go:build linux

package arbiter

import (
	"context"
	"encoding/json"
	"time"
)

// What the arbiter has to do for the hooks of a gunicorn.conf.py, which are called in the zygote and in workers. Without them nothing here
// happens.

// quickGrace is how long processes that are to end at once have for hooks that come at the end.
const quickGrace = 2 * time.Second

// mostGunicorn is how many bytes of gunicorn's settings an order may have beside everything else.
const mostGunicorn = longestMessage / 2

// fitting leaves out the largest of gunicorn's settings when they do not fit in an order: what stands in the file Python has already.
func fitting(all json.RawMessage) json.RawMessage {
	text, err := json.Marshal(all) // as it will be sent
	if err != nil || len(text) <= mostGunicorn {
		return all
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(text, &values) != nil {
		return all
	}
	for len(text) > mostGunicorn && len(values) > 0 {
		largest := ""
		for name, value := range values {
			if largest == "" || len(value) > len(values[largest]) {
				largest = name
			}
		}
		delete(values, largest)
		if text, err = json.Marshal(values); err != nil {
			return all
		}
	}
	return text
}

// hooked reports that there is a zygote that calls hooks.
func (a *Arbiter) hooked() bool {
	return a.options.Gunicorn != nil && a.zygote != nil && a.zygote.loaded && !a.zygote.alone
}

func (a *Arbiter) byInterrupt() bool {
	return a.options.Gunicorn != nil && a.options.Interrupted != nil && a.options.Interrupted()
}

// Scaled tells of another number of workers, before there are as many.
func (a *Arbiter) Scaled(workers int) {
	a.post(func() {
		if a.hooked() {
			a.order(a.zygote, workersScaled{Type: "WorkersScaled", Workers: workers})
		}
	})
}

// ReopenLogs has log files opened anew that hooks and the application write. It does not wait.
func (a *Arbiter) ReopenLogs() {
	go a.post(func() {
		if a.hooked() {
			a.order(a.zygote, bare{"ReopenLogs"})
		}
	})
}

// PrepareExec tells that another program is about to take this one's place, and reports whether it may.
func (a *Arbiter) PrepareExec(ctx context.Context) bool {
	answered := make(chan bool, 1)
	a.post(func() {
		if !a.hooked() || a.preparing != nil {
			answered <- true
			return
		}
		a.preparing = func(may bool) { answered <- may }
		a.order(a.zygote, bare{"PrepareExec"})
	})
	select {
	case may := <-answered:
		return may
	case <-a.finished:
	case <-ctx.Done():
	}
	return true
}

// execPrepared is told the answer, or that there will be none.
func (a *Arbiter) execPrepared(may bool) {
	if told := a.preparing; told != nil {
		a.preparing = nil
		told(may)
	}
}

// endService tells the zygote that the server ends, not only this generation.
func (a *Arbiter) endService(z *zygote) {
	if a.options.Gunicorn != nil && a.options.Ending != nil && a.options.Ending() {
		a.order(z, bare{"EndService"})
	}
}

// hurry ends the workers at once, and lets the zygote reap them and end by itself. It reports that this is under way; the second time
// everything is killed.
func (a *Arbiter) hurry() bool {
	if !a.hooked() || a.hurried {
		return false
	}
	a.hurried = true
	for _, at := range a.places {
		w := at.worker
		if w == nil || w.dead {
			continue
		}
		if !w.ready || w.ordered {
			w.giveUp()
			continue
		}
		w.ordered = true
		a.orderDrain(w, drainWorker{Type: "DrainWorker", Interrupted: true, Quick: true})
	}
	a.after(quickGrace, a.kill)
	a.settle()
	return true
}
