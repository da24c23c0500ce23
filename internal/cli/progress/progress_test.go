package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/builder/solve"
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
	tr.live.mu.Lock()
	got := tr.block()
	tr.live.mu.Unlock()
	want := short(a.Digest) + ": Downloading  [" + strings.Repeat("=", 25) + ">" + strings.Repeat(" ", 24) + "]      500B/1kB"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tr.Event(progress.Event{Kind: progress.Complete, Desc: a})
	tr.Close()
	if !strings.Contains(out.String(), short(a.Digest)+": Pull complete\n") {
		t.Errorf("the end is not shown: %q", out.String())
	}
}

func TestLiveCutsToTheScreen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lines := []string{"\x1b[2mabcdef\x1b[0m", "2", "3", "4"}
	l := newLive(Screen{Out: &out, Size: func() (int, int) { return 4, 4 }}, func() []string { return lines })
	l.close()
	if want := "\x1b[J\x1b[2mabcd\x1b[0m\n2\n… an\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want an end of %q", out.String(), want)
	}
}

func TestBuildPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := NewBuild(Screen{Out: &out}, true, time.Now)
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	from := &plan.Vertex{Name: "[1/3] FROM debian"}
	run := &plan.Vertex{Name: "[2/3] RUN make"}
	bad := &plan.Vertex{Name: "[3/3] RUN false"}
	for _, e := range []solve.Event{
		{Kind: solve.Cached, Vertex: from, Index: 1, Time: at(0)},
		{Kind: solve.Started, Vertex: run, Index: 2, Time: at(0)},
		{Kind: solve.Log, Vertex: run, Index: 2, Time: at(123), Data: []byte("one\n10%\r20%\rtw")},
		{Kind: solve.Log, Vertex: run, Index: 2, Time: at(200), Data: []byte("o\nlast")},
		{Kind: solve.Started, Vertex: bad, Index: 3, Time: at(300)},
		{Kind: solve.Done, Vertex: run, Index: 2, Time: at(1200), Duration: 1200 * time.Millisecond},
		{Kind: solve.Failed, Vertex: bad, Index: 3, Time: at(1300), Err: errors.New("exit code: 1")},
	} {
		b.Event(e)
	}
	b.Close()
	want := `#1 [1/3] FROM debian
#1 CACHED

#2 [2/3] RUN make
#2 0.123 one
#2 0.200 two

#3 [3/3] RUN false

#2 [2/3] RUN make
#2 1.200 last
#2 DONE 1.2s

#3 [3/3] RUN false
#3 ERROR: exit code: 1
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestBuildLiveShowsTailOfFailure(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := NewBuild(Screen{Out: &out, Size: func() (int, int) { return 40, 24 }}, false, time.Now)
	v := &plan.Vertex{Name: "RUN false"}
	b.Event(solve.Event{Kind: solve.Started, Vertex: v, Index: 1, Time: time.Now()})
	b.Event(solve.Event{Kind: solve.Log, Vertex: v, Index: 1, Time: time.Now(), Data: []byte("no such thing\n")})
	b.Event(solve.Event{Kind: solve.Failed, Vertex: v, Index: 1, Duration: time.Second, Err: errors.New("x")})
	b.Close()
	for _, want := range []string{" => ERROR RUN false                1.0s\n", "------\n > RUN false:\nno such thing\n------\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}
