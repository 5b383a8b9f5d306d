package speyside

import (
	"testing"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/settings"
)

func TestLargestBodyInMemoryIsWhatFitsTheBlocks(t *testing.T) {
	if settings.MaxInMemory != dispatch.MaxInBlocks {
		t.Errorf("settings.MaxInMemory is %d and dispatch.MaxInBlocks %d", settings.MaxInMemory, dispatch.MaxInBlocks)
	}
}
