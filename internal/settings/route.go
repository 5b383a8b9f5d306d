package settings

import (
	"fmt"
	"strings"
	"time"
)

// Route is what is different for the paths that begin with a prefix. A nil field is as the setting of that name has it.
type Route struct {
	Prefix           string // of PATH_INFO
	StreamRequest    *bool
	LimitRequestBody *int64
	Timeout          *time.Duration
}

// routeKeys are the settings that a route may have.
var routeKeys = []string{"limit_request_body", "stream_request", "timeout"}

// ParseRoute reads a prefix and the settings that are different there: "/upload/ stream_request=on limit_request_body=5GB".
func ParseRoute(text string) (Route, error) {
	words := strings.Fields(text)
	if len(words) < 2 || words[0][0] != '/' {
		return Route{}, errNotInRange
	}
	route := Route{Prefix: words[0]}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		if err := route.set(key, value); err != nil {
			return Route{}, err
		}
	}
	return route, nil
}

func (r *Route) set(key, value string) error {
	switch key {
	case "stream_request":
		on, err := parseSwitch(value)
		if err != nil {
			return fmt.Errorf("%s is %q: it must be on or off", key, value)
		}
		r.StreamRequest = &on
	case "limit_request_body":
		size, err := parseSize(value)
		if err != nil || size < 0 {
			return fmt.Errorf("%s is %q: it must be a size such as 10MB, or 0", key, value)
		}
		r.LimitRequestBody = &size
	case "timeout":
		limit, err := parseDuration(value)
		if err != nil || limit < 0 {
			return fmt.Errorf("%s is %q: it must be a duration such as 30s, or 0", key, value)
		}
		r.Timeout = &limit
	default:
		if near := Nearest(key, routeKeys); near != "" {
			return fmt.Errorf("a route has no %q; did you mean %s?", key, near)
		}
		return fmt.Errorf("a route has no %q; it may have %s", key, strings.Join(routeKeys, ", "))
	}
	return nil
}
