package settings

import (
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/accesslog"
)

// someRequests is what access_log_only may have.
var someRequests = Check{
	Says: "4xx, 5xx or another class, a status such as 404, slow=TIME such as slow=500ms, big=SIZE such as big=1MB, or empty",
	OK: func(value any) bool {
		_, err := parseCondition(value.(string))
		return err == nil
	},
}

// Logged is which requests have a line in the access log.
func (s *Settings) Logged() (only accesslog.Only) {
	for _, text := range s.AccessLogOnly {
		if c, err := parseCondition(text); err == nil { // it is, as the table has checked
			only = append(only, c)
		}
	}
	return only
}

// parseCondition reads which requests have a line in the access log.
func parseCondition(text string) (c accesslog.Condition, err error) {
	key, value, named := strings.Cut(text, "=")
	valid := false
	switch key {
	case "slow":
		c.Slow, err = parseDuration(value)
		valid = err == nil && c.Slow > 0
	case "big":
		c.Big, err = parseSize(value)
		valid = err == nil && c.Big > 0
	case "empty":
		c.Empty, valid = true, !named
	default:
		c.Low, c.High, valid = parseStatuses(text)
	}
	if !valid {
		return c, errNotInRange
	}
	return c, nil
}

// parseStatuses reads a status, or a class of them such as 5xx.
func parseStatuses(text string) (low, high int, ok bool) {
	digits, class := strings.CutSuffix(text, "xx")
	if class {
		digits += "00"
	}
	low, err := strconv.Atoi(digits)
	if high = low; class {
		high += 99
	}
	return low, high, err == nil && low >= 100 && high <= 599
}
