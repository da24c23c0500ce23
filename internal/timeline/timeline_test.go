package timeline

import (
	"context"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := Write(&b, []Span{
		{"cove", "read the command", 1_000_000, 2_000_000},
		{"monitor", "mount", 2_000_000, 5_000_000},
	})
	want := ` FROM µs  TOOK µs  WHO       WHAT
       0     1000  cove      read the command                 ██████████
    1000     3000  monitor   mount                                      ██████████████████████████████
    4000           in all
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	Begin(context.Background(), "nobody wants to know")()
	r := New("cove", "begin")
	ctx := With(t.Context(), r)
	end := Begin(ctx, "second")
	Begin(ctx, "third")()
	end()
	r.Add(Span{Who: "monitor", What: "first", Begin: 1, End: 2})
	var got []string
	for _, s := range r.Spans() {
		if got = append(got, s.What); s.End < s.Begin {
			t.Errorf("%+v", s)
		}
	}
	if s := strings.Join(got, " "); s != "first begin second third" {
		t.Error(s)
	}
	if From(ctx) != r || From(t.Context()) != nil {
		t.Error("another recorder")
	}
}

// TestWriteDisorder draws phases that overlap, and that took no time, without an error.
func TestWriteDisorder(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	spans := []Span{{"b", "late", 9, 9}, {"a", "early", 3, 9}, {"c", "none", 3, 3}}
	if err := Write(&b, spans); err != nil || strings.Count(b.String(), "█") < 3 || strings.Count(b.String(), "\n") != 5 {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := Write(&b, nil); err != nil || b.String() != "" {
		t.Errorf("of nothing: %v, %q", err, b.String())
	}
}
