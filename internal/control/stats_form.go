package control

// Stats is the state in the form of uWSGI's stats server: its names, its units, its order. docs/stats.md says where each value is
// from, and which are always 0. Sizes are in bytes, instants in seconds since 1970, times in microseconds.
type Stats struct {
	Version           string              `json:"version"`
	ListenQueue       uint64              `json:"listen_queue"`
	ListenQueueErrors uint64              `json:"listen_queue_errors"`
	SignalQueue       int                 `json:"signal_queue"`
	Load              uint64              `json:"load"`
	Pid               int                 `json:"pid"`
	UID               int                 `json:"uid"`
	GID               int                 `json:"gid"`
	Cwd               string              `json:"cwd"`
	Locks             []map[string]uint64 `json:"locks"`
	Sockets           []StatsSocket       `json:"sockets"`
	Daemons           []struct{}          `json:"daemons"`
	Workers           []StatsWorker       `json:"workers"`
}

// StatsSocket is an address of the application.
type StatsSocket struct {
	Name       string `json:"name"`
	Proto      string `json:"proto"`
	Queue      uint64 `json:"queue"`     // connections that the kernel holds
	MaxQueue   uint64 `json:"max_queue"` // that it may hold
	Shared     int    `json:"shared"`
	CanOffload int    `json:"can_offload"`
}

// What a worker is about.
const (
	StatsIdle  = "idle"
	StatsBusy  = "busy"
	StatsCheap = "cheap" // there is no process now
)

// StatsWorker is a worker's number and who has it.
type StatsWorker struct {
	ID            int         `json:"id"` // from 1 on
	Pid           int         `json:"pid"`
	Accepting     int         `json:"accepting"`
	Requests      uint64      `json:"requests"`
	DeltaRequests uint64      `json:"delta_requests"` // of the process there is now
	Exceptions    uint64      `json:"exceptions"`
	HarakiriCount uint64      `json:"harakiri_count"`
	Signals       int         `json:"signals"`
	SignalQueue   int         `json:"signal_queue"`
	Status        string      `json:"status"`
	RSS           int64       `json:"rss"`
	VSZ           int64       `json:"vsz"`
	RunningTime   int64       `json:"running_time"`
	LastSpawn     int64       `json:"last_spawn"`
	RespawnCount  int         `json:"respawn_count"`
	TX            uint64      `json:"tx"`
	AvgRT         int64       `json:"avg_rt"`
	Apps          []StatsApp  `json:"apps"`
	Cores         []StatsCore `json:"cores,omitempty"`
}

// StatsApp is the application in one worker.
type StatsApp struct {
	ID          int    `json:"id"`
	Modifier1   int    `json:"modifier1"`
	Mountpoint  string `json:"mountpoint"`
	StartupTime int    `json:"startup_time"`
	Requests    uint64 `json:"requests"`
	Exceptions  uint64 `json:"exceptions"`
	Chdir       string `json:"chdir"`
}

// StatsCore is one thread of a worker.
type StatsCore struct {
	ID                int          `json:"id"`
	Requests          uint64       `json:"requests"`
	StaticRequests    int          `json:"static_requests"`
	RoutedRequests    int          `json:"routed_requests"`
	OffloadedRequests int          `json:"offloaded_requests"`
	WriteErrors       int          `json:"write_errors"`
	ReadErrors        int          `json:"read_errors"`
	InRequest         int          `json:"in_request"`
	Vars              []string     `json:"vars"` // NAME=VALUE of the request in hand
	ReqInfo           StatsReqInfo `json:"req_info"`
}

// StatsReqInfo is when the request in hand was put in line.
type StatsReqInfo struct {
	RequestStart int64 `json:"request_start,omitempty"`
}
