package model

import (
	"fmt"

	"speyside.dev/speyside/internal/wire"
)

// maxAttempts is dispatch's.
const maxAttempts = 2

// frontSteps are what the front may do next: go on with what it is at, or begin something.
func (c *Config) frontSteps(s *state, all []step) []step {
	if s.job.does != nothing {
		next := *s
		name, wrong := c.act(&next)
		return append(all, step{name: "front " + name, to: next, progress: true, wrong: wrong})
	}
	for i := range s.requests[:c.Requests] {
		all = c.arrive(s, uint8(i), all)
	}
	for i := range s.exchanges[:c.Slots] {
		if s.exchanges[i].active {
			all = c.slotSteps(s, uint8(i), all)
		}
	}
	for i := range s.workers {
		all = c.arbiterSteps(s, uint8(i), all)
	}
	if !c.Reload {
		return all
	}
	next := *s
	switch {
	case s.current == 0:
		next.current = 1
		all = append(all, step{name: "front switches to the next generation", to: next})
	case !s.retired:
		next.retired = true
		all = append(all, step{name: "front retires the generation before", to: next})
	}
	return all
}

// arrive takes a request that has come into a free slot.
func (c *Config) arrive(s *state, r uint8, all []step) []step {
	at, ok := c.acquire(s)
	if s.requests[r].came || !ok {
		return all
	}
	next := *s
	next.requests[r].came = true
	c.describe(&next, at, exchange{receiver: true, request: r})
	return append(all, step{name: fmt.Sprintf("front describes request %d in slot %d", r, at), to: next, progress: true})
}

// acquire finds a free slot of the generation that takes the requests.
func (c *Config) acquire(s *state) (uint8, bool) {
	for i := range s.exchanges[:c.Slots] {
		if !s.exchanges[i].active && c.generation(i) == s.current {
			return uint8(i), true
		}
	}
	return 0, false
}

// describe writes a request into a slot; filling follows.
func (c *Config) describe(s *state, at uint8, e exchange) {
	e.active = true
	e.filling = c.counted(s.slots[at].word.filling)
	s.exchanges[at] = e
	s.slots[at].request = e.request
	s.job = job{does: filling, slot: at}
}

func (c *Config) counted(filling uint8) uint8 {
	if c.Rules.CountFillings {
		return filling + 1
	}
	return filling
}

// slotSteps are what the front may do about a request in flight.
func (c *Config) slotSteps(s *state, i uint8, all []step) []step {
	e, have := &s.exchanges[i], s.slots[i].word
	begin := func(name string, does deed, progress bool, change func(*state)) {
		next := *s
		next.job = job{does: does, slot: i, word: have}
		if change != nil {
			change(&next)
		}
		all = append(all, step{name: fmt.Sprintf("front %s slot %d", name, i), to: next, progress: progress})
	}
	begin("looks at", looking, true, nil)
	if e.receiver && s.left.leaves > 0 {
		begin("hears that the client has left of", looking, false, func(n *state) {
			n.left.leaves--
			n.exchanges[i].receiver = false
			n.requests[e.request].left = true
		})
	}
	holder := have.worker < most && s.workers[have.worker].stopped
	switch int(have.kind) {
	case wire.StateFilled:
		if e.receiver && s.current != c.generation(int(i)) && (!s.retired || c.Rules.MoveOn) {
			begin("moves the request of", moving, s.retired, nil)
		}
	case wire.StateClaimed:
		if c.Rules.TakeBack && (holder || s.left.takes > 0) {
			begin("takes back", takingBack, holder, func(n *state) {
				if !holder {
					n.left.takes--
				}
			})
		}
	case wire.StateStarted, wire.StateAbandoned:
		if c.Rules.EndOverdue && !e.overdue && (holder || s.left.lates > 0) {
			begin("sees the end of the time of", ending, holder, func(n *state) {
				if !holder {
					n.left.lates--
				}
			})
		}
	}
	return all
}

// arbiterSteps are what the arbiter does about a worker.
func (c *Config) arbiterSteps(s *state, i uint8, all []step) []step {
	w := &s.workers[i]
	next := *s
	switch {
	case w.stopped && !w.dead && s.overdueIn(i):
		next.workers[i].dead = true
		return append(all, step{name: fmt.Sprintf("arbiter kills worker %d", i), to: next, progress: true})
	case w.dead && !c.Rules.NumberLast:
		next.workers[i] = worker{doomed: true}
		return append(all, step{name: fmt.Sprintf("arbiter gives number %d to another process", i), to: next, progress: true})
	case w.dead || w.doomed:
		next.workers[i].doomed = false
		next.job = job{does: reaping, worker: i, word: s.slots[0].word}
		return append(all, step{name: fmt.Sprintf("front hears that worker %d is dead", i), to: next, progress: true})
	}
	return all
}

func (s *state) overdueIn(w uint8) bool {
	for i := range s.exchanges {
		if s.exchanges[i].active && s.exchanges[i].overdue && s.slots[i].word.worker == w {
			return true
		}
	}
	return false
}

// act is what the front does with the word it has loaded: internal/dispatch.
func (c *Config) act(s *state) (name, wrong string) {
	j := s.job
	s.job = job{}
	switch j.does {
	case filling:
		e := &s.exchanges[j.slot]
		_, wrong = c.move(s, wire.Fill, j.slot, word{}, word{worker: 0, filling: e.filling})
		c.push(s, j.slot)
		return fmt.Sprintf("fills slot %d", j.slot), wrong
	case looking:
		return fmt.Sprintf("goes on with slot %d", j.slot), c.look(s, j)
	case takingBack:
		return fmt.Sprintf("refills slot %d", j.slot), c.refill(s, j)
	case ending:
		return fmt.Sprintf("answers for slot %d", j.slot), c.end(s, j)
	case moving:
		return fmt.Sprintf("moves slot %d", j.slot), c.moveOn(s, j)
	default:
		return fmt.Sprintf("reaps what worker %d had in slot %d", j.worker, j.slot), c.reap(s, j)
	}
}

func (c *Config) push(s *state, slot uint8) {
	s.exchanges[slot].lost = false
	s.windows[c.generation(int(slot))].push(slot)
}

// look is dispatch's look, letGo and findLost.
func (c *Config) look(s *state, j job) (wrong string) {
	e := &s.exchanges[j.slot]
	if j.word.filling != e.filling {
		return "the word has another generation than the front has given it"
	}
	switch int(j.word.kind) {
	case wire.StateDone:
		return c.done(s, j)
	case wire.StateFilled:
		if !e.receiver {
			return c.withdraw(s, j)
		}
		if c.Rules.FindLost {
			c.findLost(s, j.slot)
		}
	case wire.StateStarted:
		if !e.receiver {
			_, wrong = c.move(s, wire.Abandon, j.slot, j.word, j.word)
		}
	case wire.StateAbandoned:
		if !c.Rules.KeepQuarantine {
			return c.release(s, j.slot)
		}
	}
	return wrong
}

func (c *Config) findLost(s *state, slot uint8) {
	e := &s.exchanges[slot]
	switch {
	case s.windows[c.generation(int(slot))].holds(slot):
		e.lost = false
	case e.lost:
		c.push(s, slot)
	default:
		e.lost = true
	}
}

// done hands out a reply, if somebody waits for it.
func (c *Config) done(s *state, j job) (wrong string) {
	e := &s.exchanges[j.slot]
	if e.receiver {
		if s.slots[j.slot].reply != e.request {
			return "a request was answered with the reply of another"
		}
		wrong = s.answer(e)
	}
	return first(wrong, c.release(s, j.slot))
}

func (s *state) answer(e *exchange) (wrong string) {
	e.receiver = false
	if s.requests[e.request].answered++; s.requests[e.request].answered > 1 {
		return "a request was answered twice"
	}
	return ""
}

func (c *Config) release(s *state, slot uint8) (wrong string) {
	have := s.slots[slot].word
	_, wrong = c.move(s, wire.Free, slot, have, have)
	s.exchanges[slot] = exchange{}
	s.slots[slot].reply = nobody
	return wrong
}

func (c *Config) withdraw(s *state, j job) (wrong string) {
	ok, wrong := c.move(s, wire.Withdraw, j.slot, j.word, j.word)
	if ok {
		return first(wrong, c.release(s, j.slot))
	}
	return wrong
}

func (c *Config) refill(s *state, j job) (wrong string) {
	next := j.word
	next.worker, next.filling = 0, c.counted(next.filling)
	ok, wrong := c.move(s, wire.Refill, j.slot, j.word, next)
	if ok {
		s.exchanges[j.slot].filling = next.filling
		c.push(s, j.slot)
	}
	return wrong
}

// end answers in the application's place.
func (c *Config) end(s *state, j job) (wrong string) {
	e := &s.exchanges[j.slot]
	if int(j.word.kind) == wire.StateStarted {
		ok, wrong := c.move(s, wire.Abandon, j.slot, j.word, j.word)
		if !ok || wrong != "" {
			return wrong
		}
	}
	e.overdue = true
	if e.receiver {
		return s.answer(e)
	}
	return ""
}

// moveOn takes a request to the generation that takes the requests now, if there is room.
func (c *Config) moveOn(s *state, j job) (wrong string) {
	to, ok := c.acquire(s)
	if !ok {
		return ""
	}
	ok, wrong = c.move(s, wire.Withdraw, j.slot, j.word, j.word)
	if !ok {
		return wrong
	}
	e := s.exchanges[j.slot]
	wrong = first(wrong, c.release(s, j.slot))
	c.describe(s, to, exchange{receiver: true, request: e.request, attempts: e.attempts})
	return wrong
}

// reap is dispatch's workerDied, slot by slot.
func (c *Config) reap(s *state, j job) (wrong string) {
	if s.exchanges[j.slot].active && c.Rules.SettleDead {
		wrong = c.reapSlot(s, j)
	}
	if int(j.slot)+1 < c.Slots {
		s.job = job{does: reaping, worker: j.worker, slot: j.slot + 1, word: s.slots[j.slot+1].word}
		return wrong
	}
	if s.workers[j.worker].dead {
		s.workers[j.worker] = worker{}
	}
	return wrong
}

func (c *Config) reapSlot(s *state, j job) (wrong string) {
	e := &s.exchanges[j.slot]
	if int(j.word.kind) == wire.StateFilled {
		if !s.windows[c.generation(int(j.slot))].holds(j.slot) {
			c.push(s, j.slot)
		}
		return ""
	}
	if j.word.worker != j.worker {
		return ""
	}
	switch int(j.word.kind) {
	case wire.StateDone:
		return c.done(s, j)
	case wire.StateClaimed:
		if e.attempts++; e.attempts < maxAttempts {
			return c.refill(s, j)
		}
	}
	_, wrong = c.move(s, wire.Settle, j.slot, j.word, j.word)
	if e.receiver {
		wrong = first(wrong, s.answer(e))
	}
	return first(wrong, c.release(s, j.slot))
}

func first(wrong ...string) string {
	for _, w := range wrong {
		if w != "" {
			return w
		}
	}
	return ""
}
