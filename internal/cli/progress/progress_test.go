package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/progress"
)

func TestTransferPlainPrintsEachEndOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tr := NewTransfer(Screen{Out: &out})
	a := ocispec.Descriptor{Digest: digest.FromString("a"), Size: 100}
	b := ocispec.Descriptor{Digest: digest.FromString("b"), Size: 200}
	for _, e := range []progress.Event{
		{Kind: progress.Resolved, Desc: a},
		{Kind: progress.Waiting, Desc: a},
		{Kind: progress.AlreadyExists, Desc: b},
		{Kind: progress.Downloading, Desc: a, Offset: 50},
		{Kind: progress.Retrying, Desc: a, Err: errors.New("reset"), Wait: 2 * time.Second},
		{Kind: progress.Retrying, Desc: a, Err: errors.New("reset"), Wait: 2 * time.Second},
		{Kind: progress.Complete, Desc: a},
		{Kind: progress.Complete, Desc: a},
	} {
		tr.Event(e)
	}
	tr.Close()
	want := short(b.Digest) + ": Already exists\n" +
		short(a.Digest) + ": Retrying in 2s: reset\n" +
		short(a.Digest) + ": Pull complete\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTransferLive(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tr := NewTransfer(Screen{Out: &out, Size: func() (int, int) { return 120, 10 }})
	a := ocispec.Descriptor{Digest: digest.FromString("a"), Size: 1000}
	tr.Event(progress.Event{Kind: progress.Downloading, Desc: a, Offset: 500})
	tr.live.Lock()
	got := tr.block(9)
	tr.live.Unlock()
	want := short(a.Digest) + ": Downloading  [" + strings.Repeat("=", 25) + ">" + strings.Repeat(" ", 24) + "]      500B/1kB"
	if len(got) != 1 || got[0].Text != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tr.Event(progress.Event{Kind: progress.Complete, Desc: a})
	tr.Close()
	if !strings.Contains(out.String(), short(a.Digest)+": Pull complete\n") {
		t.Errorf("the end is not shown: %q", out.String())
	}
}

// TestBarLeavesRoom: on a terminal of 80 columns and fewer a line still has its sizes.
func TestBarLeavesRoom(t *testing.T) {
	t.Parallel()
	for _, cols := range []int{200, 97, 80, 60, 55, 50} {
		var out bytes.Buffer
		tr := NewTransfer(Screen{Out: &out, Size: func() (int, int) { return cols, 24 }})
		a := ocispec.Descriptor{Digest: digest.FromString("a"), Size: 117_442_337}
		tr.Event(progress.Event{Kind: progress.Downloading, Desc: a, Offset: 102_442_337})
		tr.live.Lock()
		got := tr.block(9)[0].Text
		tr.live.Unlock()
		tr.Close()
		if !strings.HasSuffix(got, "102.4MB/117.4MB") || len(got) > cols || (cols >= 55) != strings.Contains(got, "[===") {
			t.Errorf("%d columns: %q", cols, got)
		}
	}
}

func TestLiveCutsToTheScreen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lines := []Line{{"abcdef", Dim}, {Text: "中文字"}, {Text: "3"}, {Text: "4"}}
	l := NewLive(Screen{Out: &out, Size: func() (int, int) { return 4, 4 }, Color: true}, func(int) []Line { return lines })
	l.Close()
	if want := "\r\x1b[2mabcd\x1b[0m\n中文\n… an\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want an end of %q", out.String(), want)
	}
}

// TestNarrowed: a terminal that became narrower has wrapped the block's lines,
// and the cursor goes up by what they take now.
func TestNarrowed(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cols := 20
	l := NewLive(Screen{Out: &out, Size: func() (int, int) { return cols, 24 }}, func(int) []Line {
		return []Line{{Text: "0123456789abcdef"}, {Text: "中文中文"}, {}}
	})
	l.Lock()
	l.redraw()
	cols = 8
	l.redraw()
	l.Unlock()
	l.Close()
	if want := "中文中文\n\n" + strings.Repeat("\x1b[A\x1b[2K", 4) + "\r0123"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in %q", want, out.String())
	}
}
