package arbiter

// WorkerState is what a worker is about.
type WorkerState string

// The states of a worker.
const (
	WorkerStarting  WorkerState = "starting"  // it is forked, and does not claim yet
	WorkerReady     WorkerState = "ready"     // its threads claim
	WorkerDraining  WorkerState = "draining"  // it finishes what it has started
	WorkerDrained   WorkerState = "drained"   // it has, and is about to exit
	WorkerCondemned WorkerState = "condemned" // it does not answer, and will be killed
	WorkerGone      WorkerState = "gone"      // it has died; its number is free when its requests are seen to
)

// Step is a way from one state of a worker to another.
type Step struct {
	From []WorkerState
	To   WorkerState
	Name string
	When string
}

// Steps is every way there is: docs/lifecycle.md is generated from it, and a test holds the arbiter to it.
func Steps() []Step {
	alive := []WorkerState{WorkerStarting, WorkerReady, WorkerDraining, WorkerDrained, WorkerCondemned}
	return []Step{
		{[]WorkerState{WorkerStarting}, WorkerReady, "WorkerReady", "the application is loaded and warmed up; its threads are about to claim"},
		{[]WorkerState{WorkerStarting, WorkerReady}, WorkerDraining, "DrainWorker",
			"a stop, a reload, fewer workers wanted, or its successor is ready (recycled, a request timed out in it, its zygote died)"},
		{[]WorkerState{WorkerStarting, WorkerReady, WorkerDraining}, WorkerDrained, "WorkerDrained",
			"nothing is claimed and nothing runs any more, by order or by SIGTERM to the worker itself"},
		{[]WorkerState{WorkerStarting, WorkerReady, WorkerDraining, WorkerDrained}, WorkerCondemned, "give up",
			"a thread did not come back in timeout_grace, or it does not say where a thread stands; a successor is spawned at once"},
		{alive, WorkerGone, "death", "it exited, crashed or was killed: whatever the state, the front sees it by the pidfd"},
	}
}
