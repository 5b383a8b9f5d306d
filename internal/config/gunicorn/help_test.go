package gunicorn

import (
	"strings"
	"testing"
)

func TestHelpNamesEveryFlagInEightyColumns(t *testing.T) {
	help := Help()
	for _, row := range Table() {
		for _, flag := range row.Flags {
			if !strings.Contains(help, flag) {
				t.Errorf("%s is missing", flag)
			}
		}
	}
	for line := range strings.Lines(help) {
		if len(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("%s", line)
		}
	}
}
