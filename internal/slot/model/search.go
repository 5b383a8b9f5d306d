package model

import "fmt"

// Finding is a promise that is broken, and the steps that lead there.
type Finding struct {
	What  string
	Steps []string
}

// graph is what has been explored. The n-th state was first reached from came[n] by steps[n].
type graph struct {
	config *Config
	number map[state]int32
	states []state
	came   []int32
	steps  []string
	back   [][]int32 // by progress
}

// Search explores every state and returns how many there are. It ends with the first promise that a step breaks; else it looks for
// a state from which, with no more faults, not every request is answered and every slot freed.
func Search(c Config) (int, *Finding) {
	g := &graph{config: &c, number: map[state]int32{}}
	g.add(c.first(), -1, "")
	var next []step
	for n := 0; n < len(g.states); n++ {
		here := g.states[n]
		next = c.workerSteps(&here, c.frontSteps(&here, next[:0]))
		for i := range next {
			if next[i].wrong != "" {
				return len(g.states), &Finding{next[i].wrong, append(g.path(int32(n)), next[i].name)}
			}
			to := g.add(next[i].to, int32(n), next[i].name)
			if next[i].progress && to != int32(n) {
				g.back[to] = append(g.back[to], int32(n))
			}
		}
	}
	return len(g.states), g.waiting()
}

func (g *graph) add(s state, from int32, name string) int32 {
	if n, there := g.number[s]; there {
		return n
	}
	n := int32(len(g.states))
	g.number[s] = n
	g.states, g.came, g.steps, g.back = append(g.states, s), append(g.came, from), append(g.steps, name), append(g.back, nil)
	return n
}

func (g *graph) path(n int32) []string {
	if g.came[n] < 0 {
		return nil
	}
	return append(g.path(g.came[n]), g.steps[n])
}

// waiting goes back from all states in which everything is over. What it does not reach waits for ever.
func (g *graph) waiting() *Finding {
	reached := make([]bool, len(g.states))
	var todo []int32
	visit := func(n int32) {
		if !reached[n] {
			reached[n] = true
			todo = append(todo, n)
		}
	}
	for n := range g.states {
		if g.config.over(&g.states[n]) {
			visit(int32(n))
		}
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range g.back[n] {
			visit(from)
		}
	}
	for n := range reached {
		if !reached[n] {
			return &Finding{"a request or a slot waits for ever", append(g.path(int32(n)), fmt.Sprintf("%+v", g.states[n]))}
		}
	}
	return nil
}
