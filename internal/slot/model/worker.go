package model

import (
	"fmt"

	"speyside.dev/speyside/internal/wire"
)

// workerSteps are the next steps of each worker, and what can befall it.
func (c *Config) workerSteps(s *state, all []step) []step {
	for i := range s.workers {
		w := &s.workers[i]
		if w.dead {
			continue
		}
		if s.left.deaths > 0 {
			next := *s
			next.left.deaths--
			next.workers[i].dead = true
			all = append(all, step{name: fmt.Sprintf("worker %d dies", i), to: next})
		}
		if w.stopped {
			next := *s
			next.workers[i].stopped = false
			all = append(all, step{name: fmt.Sprintf("worker %d wakes", i), to: next, progress: w.at == idle})
			continue
		}
		if s.left.stops > 0 {
			next := *s
			next.left.stops--
			next.workers[i].stopped = true
			all = append(all, step{name: fmt.Sprintf("worker %d stops", i), to: next})
		}
		next := *s
		if what, wrong := c.run(&next, i); what != "" {
			all = append(all, step{name: fmt.Sprintf("worker %d %s", i, what), to: next, progress: true, wrong: wrong})
		}
	}
	return all
}

// run is the next step of a worker: ext/slot.c.
func (c *Config) run(s *state, i int) (what, wrong string) {
	w := &s.workers[i]
	slot := &s.slots[w.slot]
	switch w.at {
	case idle:
		g := c.generation(i)
		if s.windows[g].count == 0 || s.retired && g != s.current {
			return "", ""
		}
		w.slot, w.at = s.windows[g].pop(), taken
		return fmt.Sprintf("takes slot %d from the window", w.slot), ""
	case taken:
		if !wire.Claim.From(int(slot.word.kind)) {
			w.rest()
			return "finds nothing to claim", ""
		}
		w.word, w.at = slot.word, seen
		return "loads the word", ""
	case seen:
		next := word{worker: c.workerNumber(i), filling: w.word.filling}
		ok, wrong := c.move(s, wire.Claim, w.slot, w.word, next)
		return w.moved(ok, wire.Claim, next, claimed), wrong
	case claimed:
		w.request, w.at = slot.request, built
		if !c.Rules.StartFirst {
			return "writes into the slot", c.owned(s, i)
		}
		return "builds the environ", ""
	case built:
		ok, wrong := c.move(s, wire.Start, w.slot, w.word, w.word)
		if ok && wrong == "" {
			wrong = c.started(s, w)
		}
		return w.moved(ok, wire.Start, w.word, running), wrong
	case running:
		wrong := c.owned(s, i)
		slot.reply, w.at = w.request, written
		return "writes its reply", wrong
	case written:
		ok, wrong := c.move(s, wire.Finish, w.slot, w.word, w.word)
		if !ok && slot.word == (word{uint8(wire.StateAbandoned), w.word.worker, w.word.filling}) {
			w.at = refused
			return "finds that its reply is not wanted", wrong
		}
		w.rest()
		return "finishes", wrong
	default:
		_, wrong := c.move(s, wire.GiveBack, w.slot, w.word, w.word)
		w.rest()
		return "gives the slot back", wrong
	}
}

func (w *worker) rest() { *w = worker{doomed: w.doomed} }

// moved goes on after a swap, or gives up the slot.
func (w *worker) moved(ok bool, m wire.Move, next word, at place) string {
	name := wire.Moves()[m].Name + "s"
	if !ok {
		w.rest()
		return "does not get what it " + name
	}
	next.kind = uint8(m.To())
	w.word, w.at = next, at
	return name + fmt.Sprintf(" slot %d", w.slot)
}

// started counts that the application has seen a request.
func (c *Config) started(s *state, w *worker) (wrong string) {
	if w.request == nobody || !s.exchanges[w.slot].active || s.exchanges[w.slot].request != w.request {
		return "what was started is not the slot's request"
	}
	if s.requests[w.request].started++; s.requests[w.request].started > 1 {
		return "a request was started twice"
	}
	return ""
}

// owned says whether a worker that writes into a slot has it.
func (c *Config) owned(s *state, i int) (wrong string) {
	w := &s.workers[i]
	have := s.slots[w.slot].word
	with := int(have.kind) == wire.StateClaimed || int(have.kind) == wire.StateStarted || int(have.kind) == wire.StateAbandoned
	if !with || have.worker != c.workerNumber(i) || have.filling != w.word.filling || !s.exchanges[w.slot].active {
		return "a worker wrote into a slot that is not its own any more"
	}
	return ""
}
