//go:build linux

package arbiter

import (
	"encoding/json"
	"strings"
)

// The orders, in the words of PROTOCOL.md, section 9.

type readConfiguration struct {
	Type   string   `json:"type"`
	Form   string   `json:"form"`
	Dir    string   `json:"dir"` // where to execute it
	File   string   `json:"file"`
	Module string   `json:"module"`
	Names  []string `json:"names"`
	Limit  int64    `json:"limit"` // in milliseconds
}

type loadApplication struct {
	Type        string          `json:"type"`
	App         string          `json:"app"`
	Script      bool            `json:"script"`
	Chdir       string          `json:"chdir"`
	PasteGlobal []string        `json:"paste_global"`
	PythonPath  []string        `json:"pythonpath"`
	ScriptName  string          `json:"script_name"`
	Generation  int             `json:"generation"`
	Boot        string          `json:"boot"`
	Warmup      []string        `json:"warmup"`
	Preload     string          `json:"preload"`
	UWSGI       json.RawMessage `json:"uwsgi,omitempty"`
	Workers     int             `json:"workers"`
	MostWorkers int             `json:"most_workers"`
	Threads     int             `json:"threads"`
	// Environment is NAME=VALUE each.
	Environment []string  `json:"environment"`
	Identity    *Identity `json:"identity"`
	// SwitchInterval is in microseconds; 0: leave it, -1: adapt it.
	SwitchInterval int             `json:"switch_interval"`
	Relayed        bool            `json:"relayed"` // the last two descriptors are for the log
	Capture        bool            `json:"capture"`
	Occasion       string          `json:"occasion"`
	WorkersBefore  int             `json:"workers_before"`
	Gunicorn       json.RawMessage `json:"gunicorn,omitempty"`
}

type drainWorker struct {
	Type        string `json:"type"`
	Interrupted bool   `json:"interrupted,omitempty"` // the server was
	Quick       bool   `json:"quick,omitempty"`       // without finishing anything
}

type workersScaled struct {
	Type    string `json:"type"`
	Workers int    `json:"workers"`
}

type listenGranted struct {
	Type string `json:"type"`
	Host string `json:"host"`
	Port int    `json:"port"`
}

type listenRefused struct {
	Type  string `json:"type"`
	Errno int    `json:"errno"`
	Text  string `json:"text"`
}

type spawnWorker struct {
	Type      string     `json:"type"`
	Worker    int        `json:"worker"`
	Listeners []Listener `json:"listeners"`
	Age       int        `json:"age,omitempty"`
}

type interruptRequest struct {
	Type    string `json:"type"`
	Slot    uint32 `json:"slot"`
	Filling uint32 `json:"filling"`
}

type bare struct {
	Type string `json:"type"`
}

// fact is any message of a zygote or a worker. Which fields are set depends on the type; nothing in it is to be believed.
type fact struct {
	Type       string `json:"type"`
	Host       string `json:"host"`
	Port       int    `json:"port"`
	Name       string `json:"name"`
	Python     string `json:"python"`
	Executable string `json:"executable"`
	Framework  string `json:"framework"`
	Alone      bool   `json:"alone"`
	Deferred   bool   `json:"deferred"`
	Code       string `json:"code"`
	Text       string `json:"text"`
	Hint       string `json:"hint"`
	Traceback  string `json:"traceback"`
	Worker     int    `json:"worker"`
	Pid        int    `json:"pid"`
	Status     int    `json:"status"`
	Peak       int    `json:"peak"`
	Requests   int    `json:"requests"`
	Slot       uint32 `json:"slot"`
	Filling    uint32 `json:"filling"`
	Failed     bool   `json:"failed"`
	Stack      string `json:"stack"`
	Configuration
}

const longestText = 4096 // of one line that a zygote has written

// line returns text as it may be shown on one line: without control characters, and not too long.
func line(text string) string {
	if len(text) > longestText {
		text = text[:longestText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// lines returns text as it may be shown on several lines.
func lines(text string) string {
	shown := strings.Split(text, "\n")
	for i := range shown {
		shown[i] = line(strings.ReplaceAll(shown[i], "\t", "    "))
	}
	return strings.Join(shown, "\n")
}
