// Package accesslog turns requests into lines of the access log. Compile reads a format once; Format.Take keeps what a line needs of
// a request's head, and Format.Append writes the line when the request has ended.
//
// What a client sent can neither end a line nor pass for a field of its own. The package opens no file and knows no connection.
package accesslog

// Format is a compiled format. It does not change, and may be used by several goroutines.
type Format struct {
	style   style
	parts   []part
	end     string   // what follows the last part
	headers []Header // of requests, whose values Take is given
	replies []string // lower-case names of headers of replies
	unknown []string
}

// part is an atom and what stands before it.
type part struct {
	lead     string
	kind     kind
	text     string // of a constant
	index    int    // of a header among those wanted
	spaces   bool   // spaces are escaped: the atom stands outside of quotes
	dash     bool   // nothing is written as a hyphen
	optional bool   // lead and part are left out where there is nothing to say
	joined   bool   // it and the next one are taken from the head: their text is kept as one
	fit      *fit   // to a width; nil: as it is
}

// Header is a header of requests that a format needs.
type Header struct {
	Name   string // lower case
	Joined bool   // several are joined by commas, as in the environ; else the last one counts
}

// Headers are those of requests that the format needs, in the order of [Request].Headers.
func (f *Format) Headers() []Header { return f.headers }

// WantsReply reports that the format needs headers of replies: TakeReply is to be called.
func (f *Format) WantsReply() bool { return len(f.replies) > 0 }

// Unknown are the atoms of the format that stand for a hyphen in every line, because no such thing is known here.
func (f *Format) Unknown() []string { return f.unknown }

// Names are the formats that have a name.
func Names() []string { return []string{"common", "combined", "json", "logfmt"} }

// The formats with a name that consist of atoms. Combined is gunicorn's default.
const (
	common   = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s`
	combined = common + ` "%(f)s" "%(a)s"`
)

// Compile reads a format: one of Names, or gunicorn's atoms with other text between them. The error says what is wrong with it.
func Compile(text string) (*Format, error) {
	c := compiler{format: &Format{}}
	switch text {
	case "json":
		c.named(styleJSON)
		return c.format.join(), nil
	case "logfmt":
		c.named(styleLogfmt)
		return c.format.join(), nil
	case "common":
		c.dashes, text = true, common
	case "combined":
		c.dashes, text = true, combined
	}
	if err := c.percent(text); err != nil {
		return nil, err
	}
	return c.format.join(), nil
}

// join finds the runs of parts that are taken from the head.
func (f *Format) join() *Format {
	for i := range f.parts[:max(len(f.parts)-1, 0)] {
		f.parts[i].joined = f.parts[i].kind <= kindHeader && f.parts[i+1].kind <= kindHeader
	}
	return f
}

// field is one of json and logfmt, under one name in both.
type field struct {
	name     string
	kind     kind
	header   string
	optional bool
}

// fields are those of json and logfmt, in their order. It never changes.
var fields = []field{
	{name: "time", kind: kindTime},
	{name: "client", kind: kindClient, optional: true},
	{name: "method", kind: kindMethod, optional: true},
	{name: "host", kind: kindHost, optional: true},
	{name: "path", kind: kindRawPath, optional: true},
	{name: "query", kind: kindQuery, optional: true},
	{name: "protocol", kind: kindProtocol, optional: true},
	{name: "status", kind: kindStatus},
	{name: "bytes", kind: kindBytes},
	{name: "duration", kind: kindDuration},
	{name: "reply_after", kind: kindReplyAfter, optional: true},
	{name: "outcome", kind: kindOutcome},
	{name: "worker", kind: kindWorker, optional: true},
	{name: "generation", kind: kindGeneration, optional: true},
	{name: "request_id", kind: kindRequestID, optional: true},
	{name: "referer", kind: kindHeader, header: "referer", optional: true},
	{name: "user_agent", kind: kindHeader, header: "user-agent", optional: true},
}

// named compiles json or logfmt.
func (c *compiler) named(s style) {
	c.format.style, c.format.end = s, "\n"
	before, quote, after := "", "", "="
	if s == styleJSON {
		c.format.end, before, quote, after = "}\n", "{", `"`, `":`
	}
	for _, f := range fields {
		p := part{lead: before + quote + f.name + after, kind: f.kind, optional: f.optional}
		if f.header != "" {
			p.index = c.header(f.header, true)
		}
		c.format.parts = append(c.format.parts, p)
		if before = " "; s == styleJSON {
			before = ","
		}
	}
}
