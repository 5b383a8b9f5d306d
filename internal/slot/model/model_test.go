//go:build !race

package model_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/slot/model"
	"speyside.dev/speyside/internal/wire"
)

// configs are the searches: each has other faults beside each other, so that none is too large. With SPEYSIDE_SOAK there are more of each.
func configs() map[string]model.Config {
	c := model.Config{Moves: wire.Moves(), Rules: model.AllRules(), Slots: 1, Requests: 2}
	deaths, stops, threads, mixture, reload := c, c, c, c, c
	deaths.Deaths, deaths.Leaves = 2, 1
	stops.Stops, stops.Takes, stops.Leaves = 1, 1, 1
	threads.Threads, threads.Takes, threads.Lates, threads.Leaves = true, 1, 1, 1
	mixture.Deaths, mixture.Stops, mixture.Lates = 1, 1, 1
	reload.Slots, reload.Reload, reload.Takes = 2, true, 1
	if os.Getenv("SPEYSIDE_SOAK") != "" {
		deaths.Slots, stops.Slots, threads.Slots = 2, 2, 2
		mixture.Takes, mixture.Leaves = 1, 1
		reload.Requests, reload.Deaths = 3, 1
	}
	return map[string]model.Config{"deaths": deaths, "stops": stops, "threads": threads, "mixture": mixture, "reload": reload}
}

func TestEveryRequestIsAnsweredOnceWhateverBefalls(t *testing.T) {
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			states, found := model.Search(c)
			t.Logf("%d states in %v", states, time.Since(began).Round(time.Millisecond))
			if found != nil {
				t.Fatalf("%s:\n%s", found.What, strings.Join(found.Steps, "\n"))
			}
		})
	}
}

// TestSearchFindsOutWhatEachRuleIsFor leaves one rule out at a time: a search that finds nothing then could find nothing at all.
func TestSearchFindsOutWhatEachRuleIsFor(t *testing.T) {
	stored := func(m wire.Move) func(*model.Config) {
		return func(c *model.Config) {
			c.Moves = slices.Clone(c.Moves)
			c.Moves[m].How = wire.Store
		}
	}
	for _, test := range []struct {
		rule, config, found string
		without             func(*model.Config)
	}{
		{"generations", "threads", "", func(c *model.Config) { c.Rules.CountFillings = false }},
		{"quarantine", "mixture", "not its own", func(c *model.Config) { c.Rules.KeepQuarantine = false }},
		{"find lost", "stops", "waits for ever", func(c *model.Config) { c.Rules.FindLost = false }},
		{"take back", "stops", "waits for ever", func(c *model.Config) { c.Rules.TakeBack = false }},
		{"end overdue", "stops", "waits for ever", func(c *model.Config) { c.Rules.EndOverdue = false }},
		{"settle dead", "deaths", "waits for ever", func(c *model.Config) { c.Rules.SettleDead = false }},
		{"number last", "deaths", "", func(c *model.Config) { c.Rules.NumberLast = false }},
		{"start first", "stops", "not its own", func(c *model.Config) { c.Rules.StartFirst = false }},
		{"move on", "reload", "waits for ever", func(c *model.Config) { c.Rules.MoveOn = false }},
		{"claim by swap", "deaths", "", stored(wire.Claim)},
		{"start by swap", "stops", "", stored(wire.Start)},
		{"refill by swap", "stops", "", stored(wire.Refill)},
		{"withdraw by swap", "deaths", "", stored(wire.Withdraw)},
		{"abandon by swap", "mixture", "", stored(wire.Abandon)},
	} {
		t.Run(test.rule, func(t *testing.T) {
			c := configs()[test.config]
			test.without(&c)
			states, found := model.Search(c)
			if found == nil {
				t.Fatalf("nothing was found in %d states without the rule", states)
			}
			t.Logf("%s after %d steps, %d states", found.What, len(found.Steps), states)
			if !strings.Contains(found.What, test.found) {
				t.Errorf("found %q, expected %q:\n%s", found.What, test.found, strings.Join(found.Steps, "\n"))
			}
		})
	}
}
