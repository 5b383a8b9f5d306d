//go:build linux

package spool_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/spool"
)

func open(t *testing.T) *spool.Spool {
	t.Helper()
	s, err := spool.New(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func reserve(t *testing.T, s *spool.Spool, size int64) *spool.Extent {
	t.Helper()
	e, err := s.Reserve(size)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatWasWrittenIsReadAtTheOffset(t *testing.T) {
	s := open(t)
	first, second := reserve(t, s, 100), reserve(t, s, 5)
	for _, part := range []string{"one ", "two"} {
		if err := first.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.Write([]byte("other")); err != nil {
		t.Fatal(err)
	}
	for e, want := range map[*spool.Extent]string{first: "one two", second: "other"} {
		got, err := io.ReadAll(io.NewSectionReader(s.File(), e.At(), e.Length))
		if err != nil || string(got) != want {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestBodyLongerThanItsExtentIsRefused(t *testing.T) {
	e := reserve(t, open(t), 3)
	if err := e.Write([]byte("four")); !errors.Is(err, spool.ErrTooLong) {
		t.Fatalf("got %v", err)
	}
}

func TestMoreRoomThanThereIsIsRefused(t *testing.T) {
	s := open(t)
	if _, err := s.Reserve(spool.Room + 1); !errors.Is(err, spool.ErrTooLong) {
		t.Fatalf("got %v", err)
	}
	reserve(t, s, spool.Room)
	if _, err := s.Reserve(1); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v", err)
	}
}

func TestReleasedRoomIsOneHoleAgainAndTakesNoDisk(t *testing.T) {
	s := open(t)
	var extents []*spool.Extent
	for range 50 {
		e := reserve(t, s, 8193)
		if err := e.Write([]byte(strings.Repeat("x", 8193))); err != nil {
			t.Fatal(err)
		}
		extents = append(extents, e)
	}
	rand.Shuffle(len(extents), func(i, j int) { extents[i], extents[j] = extents[j], extents[i] })
	for _, e := range extents {
		e.Release()
	}
	reserve(t, s, spool.Room).Release()
	var stat unix.Stat_t
	if err := unix.Fstat(int(s.File().Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	if stat.Blocks > 0 {
		t.Errorf("%d blocks of disk are still taken", stat.Blocks)
	}
}

func TestNoSpoolWithoutItsDirectory(t *testing.T) {
	if s, err := spool.New("/nonexistent", 0); err == nil {
		_ = s.Close()
		t.Fatal("a spool in a directory that is not there")
	}
}

func TestSpoolHoldsNoMoreThanItsLimitAndHasRoomAgainAfterwards(t *testing.T) {
	s, err := spool.New(t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first, second := reserve(t, s, spool.Unknown), reserve(t, s, spool.Unknown)
	if err := first.Write([]byte("12345678")); err != nil {
		t.Fatal(err)
	}
	if err := second.Write([]byte("123")); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v", err)
	}
	if err := second.Write([]byte("12")); err != nil {
		t.Fatal(err)
	}
	first.Release()
	if err := second.Write([]byte("12345678")); err != nil {
		t.Fatalf("released bytes still count: %v", err)
	}
}

func TestBodyOfKnownLengthThatWouldNotFitIsRefusedBeforeItComes(t *testing.T) {
	s, err := spool.New(t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Reserve(11); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v for more than the limit", err)
	}
	first := reserve(t, s, 10)
	if err := first.Write([]byte("12345678")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(3); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v for more than is left", err)
	}
	reserve(t, s, 2).Release()
	first.Release()
	reserve(t, s, 10).Release()
}
