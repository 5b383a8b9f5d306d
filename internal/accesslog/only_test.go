package accesslog

import (
	"testing"
	"time"
)

// The conditions, as settings reads them.
var (
	ofClients = Condition{Low: 400, High: 499}
	ofServers = Condition{Low: 500, High: 599}
	notFound  = Condition{Low: 404, High: 404}
	slowOnes  = Condition{Slow: 500 * time.Millisecond}
	bigOnes   = Condition{Big: 1000}
	emptyOnes = Condition{Empty: true}
)

func TestOnlyWantedRequestsHaveALine(t *testing.T) {
	for name, test := range map[string]struct {
		only Only
		end  End
		want bool
	}{
		"all without a condition":              {nil, End{Status: 200}, true},
		"its class":                            {Only{ofClients}, End{Status: 400}, true},
		"the last of its class":                {Only{ofClients}, End{Status: 499}, true},
		"another class":                        {Only{ofClients}, End{Status: 500}, false},
		"one of two":                           {Only{ofClients, ofServers}, End{Status: 599}, true},
		"none of two":                          {Only{ofClients, ofServers}, End{Status: 399}, false},
		"its status":                           {Only{notFound}, End{Status: 404}, true},
		"another status":                       {Only{notFound}, End{Status: 405}, false},
		"one that timed out":                   {Only{ofServers}, End{Status: 504, Outcome: TimedOut}, true},
		"a reply that timed out":               {Only{ofServers}, End{Status: 200, Outcome: TimedOut}, true},
		"a reply that was cut":                 {Only{ofServers}, End{Status: 200, Outcome: Cut}, true},
		"a refusal that was cut":               {Only{ofServers}, End{Status: 404, Outcome: Cut}, true},
		"a reply that was cut is no client's":  {Only{ofClients}, End{Status: 404, Outcome: Cut}, false},
		"a reply that was cut has its status":  {Only{{Low: 503, High: 503}}, End{Status: 503, Outcome: Cut}, true},
		"one whose client left":                {Only{ofClients}, End{Status: clientLeft, Outcome: ClientLeft}, true},
		"a reply whose client left":            {Only{ofClients, ofServers}, End{Status: 200, Outcome: ClientLeft}, false},
		"as slow":                              {Only{slowOnes}, End{Status: 200, Took: 500 * time.Millisecond}, true},
		"not as slow":                          {Only{slowOnes}, End{Status: 200, Took: 499 * time.Millisecond}, false},
		"as big":                               {Only{bigOnes}, End{Status: 200, Sent: 1000}, true},
		"not as big":                           {Only{bigOnes}, End{Status: 200, Sent: 999}, false},
		"without a body":                       {Only{emptyOnes}, End{Status: 200}, true},
		"with a body":                          {Only{emptyOnes}, End{Status: 200, Sent: 1}, false},
		"a condition that is true, of several": {Only{ofServers, slowOnes, notFound}, End{Status: 200, Took: time.Second, Sent: 1}, true},
	} {
		if got := test.only.Wants(&test.end); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// clientLeft is what the front has for a client that left before there was a reply.
const clientLeft = 499
