package control

// Status is what a server says of itself, as its clients read it. Ages are in seconds, sizes in bytes.
type Status struct {
	Name        string            `json:"name"`
	Pid         int               `json:"pid"`
	Version     string            `json:"version"`
	App         string            `json:"app"`
	State       string            `json:"state"` // loading, serving or draining
	Age         float64           `json:"age"`
	Addresses   []string          `json:"addresses"`
	Generations []Generation      `json:"generations"`
	Metrics     map[string]uint64 `json:"metrics"`      // docs/metrics.md
	Demand      *Demand           `json:"demand"`       // null where the number of workers does not follow it
	LastReload  *Reload           `json:"last_reload"`  // null before the first
	SilentLoops []int             `json:"silent_loops"` // event loops that did not answer in time
}

// The states of a server.
const (
	StateLoading  = "loading"
	StateServing  = "serving"
	StateDraining = "draining"
)

// Demand is between which bounds the number of workers follows it.
type Demand struct {
	Workers int `json:"workers"` // that there should be now
	Min     int `json:"min"`     // workers_min, or workers where that is not set
	Floor   int `json:"floor"`   // fewer than which there are not: min, or what was ordered since
	Max     int `json:"max"`     // workers_max, or workers where that is not set
}

// Generation is one load of the application.
type Generation struct {
	Number  int       `json:"number"`
	State   string    `json:"state"` // loading, in service, standing by or draining
	Age     float64   `json:"age"`
	Zygote  *Process  `json:"zygote"` // null while there is none, and of a script that serves by itself
	Workers []Worker  `json:"workers"`
	Queue   []Request `json:"queue"` // that no worker has begun, oldest first
}

// Process is what the kernel says of one.
type Process struct {
	Pid int     `json:"pid"`
	Age float64 `json:"age"`
	RSS int64   `json:"rss"`
	PSS int64   `json:"pss"`
}

// Worker is a process that runs the application.
type Worker struct {
	Number int `json:"number"`
	Process
	State    string    `json:"state"`    // starting, ready, draining, drained or condemned
	Requests uint64    `json:"requests"` // that it has served
	Left     int       `json:"left"`     // that it works on though their clients have left
	Overdue  int       `json:"overdue"`  // that it works on though they were answered with 504
	InHand   []Request `json:"in_hand"`  // oldest first
}

// Request is one request in hand.
type Request struct {
	ID     string  `json:"id"` // speyside.request_id of its environ
	Method string  `json:"method"`
	Path   string  `json:"path"` // as it was received, without the query
	Client string  `json:"client"`
	State  string  `json:"state"`  // queued, running, or sending: the reply is complete and the client has not taken it all
	Age    float64 `json:"age"`    // since it was put in line
	Thread int     `json:"thread"` // the kernel's number of the thread that runs it, 0 while none does
}

// Reload is what became of a reload.
type Reload struct {
	Generation int     `json:"generation"`
	Age        float64 `json:"age"`
	Error      string  `json:"error"` // empty: it took over
	Code       string  `json:"code"`
	Hint       string  `json:"hint"`
	Traceback  string  `json:"traceback"`
}

// Scaled is what came of an order for another number of workers.
type Scaled struct {
	Workers int    `json:"workers"` // that there should be now
	Before  int    `json:"before"`
	Error   string `json:"error,omitempty"` // why nothing has changed
	Hint    string `json:"hint,omitempty"`
}
