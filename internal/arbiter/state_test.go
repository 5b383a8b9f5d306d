//go:build linux

package arbiter

import (
	"slices"
	"testing"
)

// What can be noted of a worker is noted in every order: no state may follow another but by a step of the table.
func TestStatesFollowEachOtherAsTheTableSays(t *testing.T) {
	notes := []func(*worker) bool{ // each reports whether the arbiter would note it now
		func(w *worker) bool { was := w.ready; w.ready = true; return !was },
		func(w *worker) bool { was := w.ordered; w.ordered = true; return !was },
		func(w *worker) bool { was := w.drained; w.drained = true; return !was },
		func(w *worker) bool { was := w.condemned; w.condemned = true; return !was },
		func(w *worker) bool { was := w.dead; w.dead = true; return !was },
	}
	taken := map[[2]WorkerState]bool{}
	var further func(w worker)
	further = func(w worker) {
		for _, note := range notes {
			next := w
			if w.dead || !note(&next) {
				continue
			}
			if w.state() != next.state() {
				taken[[2]WorkerState{w.state(), next.state()}] = true
			}
			further(next)
		}
	}
	further(worker{})
	for _, step := range Steps() {
		for _, from := range step.From {
			way := [2]WorkerState{from, step.To}
			if !taken[way] {
				t.Errorf("nothing leads from %s to %s", from, step.To)
			}
			delete(taken, way)
		}
	}
	for way := range taken {
		t.Errorf("the table has no step from %s to %s", way[0], way[1])
	}
	if !slices.ContainsFunc(Steps(), func(s Step) bool { return s.To == WorkerGone && len(s.From) == 5 }) {
		t.Error("a worker may die in every state")
	}
}
