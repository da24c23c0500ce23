package steps

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/engine/builds"
)

func TestRaw(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := NewRaw(&out)
	at := func(s int) time.Time { return time.Date(2026, 1, 2, 3, 4, s, 0, time.UTC) }
	run := &builds.Vertex{Name: "[1/2] RUN x", Definition: digest.Digest("sha256:aa")}
	for _, e := range []builds.Event{
		{Kind: builds.Cached, Vertex: &builds.Vertex{Name: "FROM base", Definition: "sha256:bb"}, Index: 1, Time: at(0)},
		{Kind: builds.Started, Vertex: run, Index: 2, Time: at(1)},
		{Kind: builds.Log, Vertex: run, Index: 2, Time: at(2), Stream: 1, Data: []byte("hello\n")},
		{Kind: builds.Failed, Vertex: run, Index: 2, Time: at(3), Err: errors.New("exit code: 1")},
	} {
		r.Event(e)
	}
	want := `{"vertexes":[{"digest":"sha256:bb","name":"FROM base","started":"2026-01-02T03:04:00Z","completed":"2026-01-02T03:04:00Z","cached":true}]}
{"vertexes":[{"digest":"sha256:aa","name":"[1/2] RUN x","started":"2026-01-02T03:04:01Z"}]}
{"logs":[{"vertex":"sha256:aa","stream":1,"data":"aGVsbG8K","timestamp":"2026-01-02T03:04:02Z"}]}
{"vertexes":[{"digest":"sha256:aa","name":"[1/2] RUN x","started":"2026-01-02T03:04:01Z","completed":"2026-01-02T03:04:03Z","error":"exit code: 1"}]}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
