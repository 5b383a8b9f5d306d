//go:build linux

package slot_test

import (
	"testing"

	"speyside.dev/speyside/internal/slot"
)

func TestBlocksThatWereNotNeededAreFreeAgainAndTheChainEnds(t *testing.T) {
	s, err := slot.New(slot.Shape{Slots: 64, Ports: 1, Workers: 1, Threads: 1, FrontBlocks: 4, LargeBlocks: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var chain []uint32
	for range 4 {
		chain, _ = s.TakeBlock(chain)
	}
	if _, ok := s.TakeBlock(nil); ok || len(chain) != 4 {
		t.Fatalf("%d blocks of 4", len(chain))
	}
	chain = s.TrimBlocks(chain, 2)
	if next := s.NextBlock(chain[1]); next != 0 || s.NextBlock(chain[0]) != chain[1]+1 {
		t.Errorf("the last block is followed by %d", next)
	}
	other, ok := s.TakeBlock(nil)
	if !ok {
		t.Fatal("a block that was given back is not free")
	}
	chain = s.TrimBlocks(chain, 0)
	s.GiveBlocks(other)
	for range 4 {
		if chain, ok = s.TakeBlock(chain); !ok {
			t.Fatal("a block was lost")
		}
	}
}
