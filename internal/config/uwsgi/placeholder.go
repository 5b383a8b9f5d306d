package uwsgi

import (
	"strconv"
	"strings"
)

// mostExpanded is how long a value may become; a placeholder that contains others twice doubles each time.
const mostExpanded = 64 << 10

// expandAll fills in the placeholders of all options, once all are known: a value may name an option that comes later.
func (r *reader) expandAll() {
	for i := range r.file.Options {
		o := &r.file.Options[i]
		if isLogFormat(o.Name) {
			continue // its %(addr) are its own
		}
		o.Value = r.expand(o.Value, o.Where)
	}
}

func isLogFormat(name string) bool { return name == "log-format" || name == "logformat" }

// expand fills in $(ENVIRONMENT), @(file) and %(option). What names nothing stays as it is, as in uWSGI.
func (r *reader) expand(value string, where Where) string {
	if !strings.Contains(value, "(") {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value) && max(len(value), b.Len()) <= mostExpanded; {
		end := strings.IndexByte(value[i:], ')')
		if end > 1 && value[i+1] == '(' && strings.IndexByte("$@%", value[i]) >= 0 && !opens(value[i+2:i+end]) {
			b.WriteString(r.placeholder(value[i], value[i+2:i+end], where))
			i += end + 1
			continue
		}
		b.WriteByte(value[i])
		i++
	}
	if max(len(value), b.Len()) > mostExpanded {
		r.wrong(where, "a value has more than %d bytes with its placeholders filled in", mostExpanded)
		return ""
	}
	return b.String()
}

// opens reports whether another placeholder begins in a text: that is filled in, and the one around it stays.
func opens(text string) bool {
	return strings.Contains(text, "$(") || strings.Contains(text, "@(") || strings.Contains(text, "%(")
}

func (r *reader) placeholder(kind byte, name string, where Where) string {
	written := string(kind) + "(" + name + ")"
	switch kind {
	case '$':
		if value, ok := r.world.LookupEnv(name); ok {
			return value
		}
		return written
	case '@':
		if scheme, _, ok := strings.Cut(name, "://"); ok {
			r.wrong(where, "%s is filled in from files alone, not from %s://", shown(written), shown(scheme)).
				Hint = "write the value, or put it into an environment variable: $(NAME)."
			return ""
		}
		text, err := readFile(r.within(name))
		if err != nil {
			r.unreadable(name, where, err)
		}
		return strings.TrimSuffix(text, "\n")
	}
	return r.reckon(strings.Fields(name), written)
}

// lookup returns the value of the first option of that name.
func (r *reader) lookup(name string) (string, bool) {
	for _, o := range r.file.Options {
		if o.Name == name {
			return o.Value, true
		}
	}
	return "", false
}

// isSet reports whether an option defines another one: `set-placeholder = name = value`.
func isSet(name string) bool { return name == "set-placeholder" || name == "set-ph" || name == "set" }

// reckon is uWSGI's arithmetic: from left to right, of whole numbers; two operands without an operator between are one text.
func (r *reader) reckon(words []string, written string) string {
	result, operator := "", ""
	for i, word := range words {
		switch {
		case word == "++" || word == "--":
			n := number(result)
			if word == "++" {
				n++
			} else {
				n--
			}
			result = strconv.FormatInt(n, 10)
			continue
		case strings.Contains("+-*/%", word) && i > 0 && len(word) == 1:
			operator = word
			continue
		}
		r.file.placeholders = append(r.file.placeholders, word)
		value, ok := r.lookup(word)
		if !ok {
			if _, err := strconv.ParseInt(word, 10, 64); err != nil {
				return written
			}
			value = word
		}
		result, operator = calculate(result, operator, value), ""
	}
	return result
}

func calculate(left, operator, right string) string {
	a, b := number(left), number(right)
	switch operator {
	case "+":
		a += b
	case "-":
		a -= b
	case "*":
		a *= b
	case "/", "%":
		if b == 0 {
			return "0"
		}
		if operator == "/" {
			a /= b
		} else {
			a %= b
		}
	default:
		return left + right
	}
	return strconv.FormatInt(a, 10)
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // what is none counts as 0, as in uWSGI
	return n
}
