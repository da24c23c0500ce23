package steps

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/engine/builds"
	"cove/internal/cli/progress"
	"cove/internal/cli/terminal"
)

func TestBuildPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := New(progress.Screen{Out: &out}, true, time.Now)
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	from := &builds.Vertex{Name: "[1/3] FROM debian"}
	run := &builds.Vertex{Name: "[2/3] RUN make"}
	bad := &builds.Vertex{Name: "[3/3] RUN false"}
	for _, e := range []builds.Event{
		{Kind: builds.Cached, Vertex: from, Index: 1, Time: at(0)},
		{Kind: builds.Started, Vertex: run, Index: 2, Time: at(0)},
		{Kind: builds.Log, Vertex: run, Index: 2, Time: at(123), Data: []byte("one\n10%\r20%\rtw")},
		{Kind: builds.Log, Vertex: run, Index: 2, Time: at(200), Data: []byte("o\nlast")},
		{Kind: builds.Started, Vertex: bad, Index: 3, Time: at(300)},
		{Kind: builds.Done, Vertex: run, Index: 2, Time: at(1200), Duration: 1200 * time.Millisecond},
		{Kind: builds.Failed, Vertex: bad, Index: 3, Time: at(1300), Err: errors.New("exit code: 1")},
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
	start := time.Unix(1000, 0)
	b := New(progress.Screen{Out: &out, Size: func() (int, int) { return 40, 24 }}, false, func() time.Time { return start })
	v := &builds.Vertex{Name: "[2/2] RUN false"}
	b.Event(builds.Event{Kind: builds.Cached, Vertex: &builds.Vertex{Name: "[1/2] FROM debian"}, Index: 1, Total: 3, Time: start})
	b.Event(builds.Event{Kind: builds.Started, Vertex: v, Index: 2, Total: 3, Time: start})
	b.Event(builds.Event{Kind: builds.Log, Vertex: v, Index: 2, Total: 3, Time: start, Data: []byte("no \x1b[2Jsuch\x1b]0;x\a thing\n")})
	b.Event(builds.Event{Kind: builds.Failed, Vertex: v, Index: 2, Total: 3, Duration: time.Second, Err: errors.New("x")})
	b.Close()
	want := `[+] Building 0.0s (2/3) FINISHED
 => CACHED [1/2] FROM debian        0.0s
 => ERROR [2/2] RUN false           1.0s
------
 > [2/2] RUN false:
no such thing
------
`
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("%q does not end with %q", out.String(), want)
	}
}

// screenful plays a build on a terminal and returns its block.
func screenful(cols, rows int, events ...builds.Event) []string {
	now := time.Unix(1000, 0)
	b := New(progress.Screen{Out: &bytes.Buffer{}, Size: func() (int, int) { return cols, rows }}, false, func() time.Time { return now })
	defer b.Close()
	for i, e := range events {
		e.Index, e.Total, e.Time = i/2+1, 9, now
		b.Event(e)
	}
	b.live.Lock()
	defer b.live.Unlock()
	var lines []string
	for _, l := range b.block(rows - 1) {
		lines = append(lines, l.Text)
	}
	return lines
}

// TestBlockFits: a narrow terminal cuts Chinese names by their cells, a short
// one leaves out what has ended before what runs, and output before steps.
func TestBlockFits(t *testing.T) {
	t.Parallel()
	done := &builds.Vertex{Name: "[1/3] FROM debian"}
	run := &builds.Vertex{Name: "[2/3] RUN echo 这是一个很长的中文步骤名称，超过四十四个字符"}
	events := []builds.Event{
		{Kind: builds.Started, Vertex: done},
		{Kind: builds.Done, Vertex: done},
		{Kind: builds.Started, Vertex: run},
		{Kind: builds.Log, Vertex: run, Data: []byte("一\n二\n三\n")},
	}
	want := []string{
		"[+] Building 0.0s (1/9)",
		" => [1/3] FROM debian                   0.0s",
		" => [2/3] RUN echo 这是一个很长的中文步 0.0s",
		" => => # 一", " => => # 二", " => => # 三",
	}
	for rows, keep := range map[int][]int{24: {0, 1, 2, 3, 4, 5}, 7: {0, 1, 2, 3, 4, 5}, 6: {0, 2, 3, 4, 5}, 5: {0, 2, 4, 5}, 3: {0, 2}} {
		got := screenful(44, rows, events...)
		var expected []string
		for _, i := range keep {
			expected = append(expected, want[i])
		}
		if !slices.Equal(got, expected) {
			t.Errorf("%d rows:\n%s\nwant\n%s", rows, strings.Join(got, "\n"), strings.Join(expected, "\n"))
		}
		for _, l := range got {
			if terminal.Width(l) > 44 {
				t.Errorf("%q takes %d cells", l, terminal.Width(l))
			}
		}
	}
	for _, rows := range []int{1, 2} { // no room: nothing fails
		screenful(3, rows, events...)
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	src := []byte("FROM a\n\nRUN one \\\n  two\nCOPY \x1b[2Jx y\nCMD z\n")
	for at, want := range map[builds.Location]string{
		{File: "Dockerfile", Line: 1}: `Dockerfile:1
--------------------
   1 | >>> FROM a
   2 |     
   3 |     RUN one \
   4 |       two
--------------------
`,
		{File: "Dockerfile", Line: 3, End: 4}: `Dockerfile:3
--------------------
   1 |     FROM a
   2 |     
   3 | >>> RUN one \
   4 | >>>   two
   5 |     COPY x y
   6 |     CMD z
--------------------
`,
		{File: "Dockerfile"}:           "",
		{File: "Dockerfile", Line: 99}: "",
	} {
		var out bytes.Buffer
		Excerpt(&out, src, at)
		if out.String() != want {
			t.Errorf("%+v:\n%s\nwant\n%s", at, out.String(), want)
		}
	}
}
