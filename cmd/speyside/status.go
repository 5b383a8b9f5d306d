package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"speyside.dev/speyside/internal/control"
)

// mostLines bounds the requests that are shown of one worker, or of a queue. JSON has them all.
const mostLines = 10

// status prints what each of the servers says of itself.
func status(c *choice, stdout io.Writer) error {
	found, err := c.servers()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for i, s := range found {
		switch {
		case s.Raw == nil: // it did not answer, as was said
		case c.flag:
			out.Write(s.Raw)
		default:
			if i > 0 {
				out.WriteByte('\n')
			}
			var text strings.Builder
			writeStatus(&text, &s.Status)
			out.WriteString(printable(text.String()))
		}
	}
	_, err = stdout.Write(out.Bytes())
	return err
}

func writeStatus(w *strings.Builder, s *control.Status) {
	fmt.Fprintf(w, "%s  pid %d  %s  up %s  speyside %s\n", s.Name, s.Pid, s.State, age(s.Age), s.Version)
	if s.App != s.Name {
		fmt.Fprintf(w, "  %-12s %s\n", "application", s.App)
	}
	for _, address := range s.Addresses {
		fmt.Fprintf(w, "  %-12s %s\n", "address", address)
	}
	m := s.Metrics
	fmt.Fprintf(w, "  %-12s %d open, %d idle, %d accepted\n", "connections", m["connections"], m["connections_idle"], m["connections_total"])
	fmt.Fprintf(w, "  %-12s %d queued, %d running, %d sending; %d taken\n", "requests", m["requests_queued"], m["requests_running"],
		m["requests_sending"], m["requests_total"])
	fmt.Fprintf(w, "  %-12s %d with 4xx, %d with 500, %d with 502, %d with 503, %d with 504, %d cut, %d abandoned\n", "failed", m["refused_4xx_total"],
		m["replies_500_total"], m["replies_502_total"], m["replies_503_total"], m["replies_504_total"], m["replies_cut_total"],
		m["requests_abandoned_total"])
	if full, late := m["queue_full_total"], m["queue_timed_out_total"]; full+late > 0 {
		fmt.Fprintf(w, "  %-12s %d refused because it was full, %d because they had waited too long\n", "queue", full, late)
	}
	if n := m["requests_waiting"]; n > 0 {
		fmt.Fprintf(w, "  %-12s every slot is in use, and %d connections wait for one\n", "saturated", n)
	}
	writeDemand(w, s.Demand)
	for _, i := range s.SilentLoops {
		fmt.Fprintf(w, "  %-12s %d does not answer; what it has is not shown\n", "event loop", i)
	}
	writeReload(w, s.LastReload)
	for i := range s.Generations {
		writeGeneration(w, &s.Generations[i])
	}
}

func writeDemand(w *strings.Builder, d *control.Demand) {
	if d == nil {
		return
	}
	fmt.Fprintf(w, "  %-12s %d, from %d to %d by demand", "workers", d.Workers, d.Min, d.Max)
	if d.Floor > d.Min {
		fmt.Fprintf(w, ", %d at least by order", d.Floor)
	}
	w.WriteByte('\n')
}

func writeReload(w *strings.Builder, r *control.Reload) {
	switch {
	case r == nil:
		return
	case r.Error == "":
		fmt.Fprintf(w, "  %-12s generation %d took over %s ago\n", "last reload", r.Generation, age(r.Age))
		return
	}
	fmt.Fprintf(w, "  %-12s generation %d failed %s ago: %s [%s]\n", "last reload", r.Generation, age(r.Age), r.Error, r.Code)
	if r.Traceback != "" {
		fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(strings.TrimSpace(r.Traceback), "\n", "\n    "))
	}
}

func writeGeneration(w *strings.Builder, g *control.Generation) {
	fmt.Fprintf(w, "\n  generation %d  %s  %s\n", g.Number, g.State, age(g.Age))
	if len(g.Queue) > 0 {
		fmt.Fprintf(w, "    queue of %d\n", len(g.Queue))
		writeRequests(w, g.Queue)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "    \tpid\tstate\tage\trequests\tRSS\tPSS\n")
	if z := g.Zygote; z != nil {
		fmt.Fprintf(table, "    zygote\t%d\t\t%s\t\t%s\t%s\n", z.Pid, age(z.Age), size(z.RSS), size(z.PSS))
	}
	for _, k := range g.Workers {
		fmt.Fprintf(table, "    worker %d\t%d\t%s\t%s\t%d\t%s\t%s\n", k.Number, k.Pid, k.State, age(k.Age), k.Requests, size(k.RSS), size(k.PSS))
	}
	_ = table.Flush()
	for _, k := range g.Workers {
		if n := len(k.InHand) + k.Left + k.Overdue; n > 0 {
			fmt.Fprintf(w, "    worker %d has %d in hand\n", k.Number, n)
			writeRequests(w, k.InHand)
		}
		if k.Left > 0 {
			fmt.Fprintf(w, "      %d whose clients have left\n", k.Left)
		}
		if k.Overdue > 0 {
			fmt.Fprintf(w, "      %d past their time, answered with 504\n", k.Overdue)
		}
	}
}

func writeRequests(w *strings.Builder, all []control.Request) {
	for i, q := range all {
		if i == mostLines {
			fmt.Fprintf(w, "      and %d more\n", len(all)-mostLines)
			return
		}
		fmt.Fprintf(w, "      %-7s %s  %s %s", q.State, age(q.Age), q.Method, q.Path)
		if q.Client != "" {
			fmt.Fprintf(w, "  from %s", q.Client)
		}
		w.WriteByte('\n')
	}
}

// age writes seconds as a person reads them.
func age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// size writes bytes as a person reads them; what is not known as a hyphen.
func size(bytes int64) string {
	switch {
	case bytes == 0:
		return "-"
	case bytes < 1<<30:
		return strconv.FormatFloat(float64(bytes)/(1<<20), 'f', 1, 64) + " MB"
	}
	return strconv.FormatFloat(float64(bytes)/(1<<30), 'f', 2, 64) + " GB"
}

// printable is text without anything that could move a terminal's cursor or change its colours: a client chose the path, and
// for root the server may be anybody's.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
