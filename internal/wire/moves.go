package wire

// Move is a way from one state of a slot to another. There are no others: internal/slot moves by them, ext/moves.h and
// PROTOCOL.md are generated from them, and internal/slot/model searches all that can come of them.
type Move int

// The moves.
const (
	Fill Move = iota
	Claim
	Withdraw
	Start
	Refill
	Finish
	Abandon
	GiveBack
	Settle
	Free
)

// Side is who makes a move.
type Side string

// The sides.
const (
	ByFront  Side = "front"
	ByWorker Side = "worker"
)

// How says whether the other side may move at the same time.
type How string

// The ways.
const (
	Store How = "store"            // nobody else may move
	Swap  How = "compare-and-swap" // a swap that fails means that the other side moved first
)

// Arrow is what there is to know of a move.
type Arrow struct {
	Name string
	From []int // states
	To   int
	By   Side
	How  How
	Note string // what else it does to the word
	When string
}

var arrows = [...]Arrow{
	Fill:     {"fill", []int{StateFree}, StateFilled, ByFront, Store, "", "the request is complete; the generation is counted up"},
	Claim:    {"claim", []int{StateFilled}, StateClaimed, ByWorker, Swap, "sets worker", "it took the slot number from the window"},
	Withdraw: {"withdraw", []int{StateFilled}, StateFree, ByFront, Swap, "", "the client left before anyone claimed, or the request moves to another generation"},
	Start:    {"start", []int{StateClaimed}, StateStarted, ByWorker, Swap, "", "the environ is built, the application is about to be called"},
	Refill: {"refill", []int{StateClaimed}, StateFilled, ByFront, Swap, "new generation, attempts + 1",
		"the worker died, or did not start it within a second: another one serves it"},
	Finish:   {"finish", []int{StateStarted}, StateDone, ByWorker, Swap, "", "the last piece is published"},
	Abandon:  {"abandon", []int{StateStarted}, StateAbandoned, ByFront, Swap, "", "the reply is no longer wanted: client gone, or time used up"},
	GiveBack: {"give back", []int{StateAbandoned}, StateDone, ByWorker, Store, "", "the slot is not wanted any more; it publishes nothing more"},
	Settle: {"settle", []int{StateClaimed, StateStarted, StateAbandoned}, StateDone, ByFront, Store, "",
		"the worker is reaped (claimed: the second time)"},
	Free: {"free", []int{StateDone, StateFree}, StateFree, ByFront, Store, "", "reply sent, or request withdrawn; blocks freed"},
}

// Moves is every move.
func Moves() []Arrow { return arrows[:] }

// To is the state that a move leads to.
func (m Move) To() int { return arrows[m].To }

// From reports whether a move begins at a state.
func (m Move) From(state int) bool {
	for _, from := range arrows[m].From {
		if from == state {
			return true
		}
	}
	return false
}

// StateNames is what the states are called, by number.
func StateNames() []string {
	return []string{StateFree: "free", StateFilled: "filled", StateClaimed: "claimed", StateStarted: "started",
		StateDone: "done", StateAbandoned: "abandoned"}
}
