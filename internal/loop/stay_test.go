//go:build linux

package loop

import (
	"testing"
	"time"
)

// waits says of each of n waits in a row, all of them in vain, whether it began with a stay.
func waits(s *staying, n int) (stays []int) {
	for i := range n {
		if s.due() {
			stays = append(stays, i)
			s.learn(false)
		}
	}
	return stays
}

func TestStaysInVainBecomeRare(t *testing.T) {
	got := waits(&staying{useful: true}, 1200)
	want := []int{0, 2, 6, 14, 30, 62, 126, 254, 510, 766, 1022}
	if len(got) != len(want) {
		t.Fatalf("at %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("at %v, want %v", got, want)
		}
	}
}

func TestOneStayThatWasWorthItBringsTheNext(t *testing.T) {
	s := &staying{useful: true}
	waits(s, 5)
	for !s.due() {
	}
	s.learn(true)
	for i := range 3 {
		if s.due() {
			t.Fatalf("wait %d does not look at the descriptors", i)
		}
		if !s.due() {
			t.Fatalf("none at wait %d", i)
		}
		s.learn(true)
	}
}

func TestNobodyStaysAwakeWhereTheOthersNeedTheProcessor(t *testing.T) {
	if got := waits(&staying{}, 100); got != nil {
		t.Fatalf("at %v", got)
	}
}

// punctual is an idler whose work has come whenever it is asked.
type punctual struct{}

func (punctual) Turn(int)           {}
func (punctual) Expecting() bool    { return true }
func (punctual) Rung() bool         { return true }
func (punctual) Sleep() bool        { return false }
func (punctual) Awake()             {}
func (punctual) Nap() time.Duration { return 0 }
func (punctual) Pressing() bool     { return false }

func TestWorkThatHasComeIsTakenWithoutASleepOnOneProcessorToo(t *testing.T) {
	l := &Loop{idler: punctual{}}
	for i := range 3 {
		if !l.stay() {
			t.Fatalf("not at wait %d", 2*i)
		}
		if l.stay() {
			t.Fatalf("wait %d does not look at the descriptors", 2*i+1)
		}
	}
}
