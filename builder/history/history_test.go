package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/event"
	"cove/builder/plan"
	"cove/errdefs"
)

func store(t *testing.T, limits Limits) Store {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Store{Dir: filepath.Join(t.TempDir(), "history"), Limits: limits, Now: func() time.Time {
		now = now.Add(time.Second)
		return now
	}}
}

func plain(s string) string { return s }

// build records a build of two steps that ends as end says.
func build(t *testing.T, s Store, name string, end func(*Record)) string {
	t.Helper()
	r, err := s.Begin(Record{Name: name, BuildArgs: map[string]string{"A": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	run := &plan.Vertex{Name: "[2/2] RUN make", Definition: digest.FromString("make")}
	for _, e := range []event.Event{
		{Kind: event.Cached, Vertex: &plan.Vertex{Name: "[1/2] FROM base"}, Index: 1, Total: 2, Time: s.Now()},
		{Kind: event.Started, Vertex: run, Index: 2, Total: 2, Time: s.Now(), Reason: "the command is new"},
		{Kind: event.Log, Vertex: run, Index: 2, Total: 2, Time: s.Now(), Stream: 1, Data: []byte("hello\n")},
		{Kind: event.Done, Vertex: run, Index: 2, Total: 2, Time: s.Now(), Duration: time.Second},
	} {
		r.Event(e, plain)
	}
	if err := r.End(end); err != nil {
		t.Fatal(err)
	}
	return r.ID()
}

func completed(r *Record) { r.Status = Completed }

func TestRecordAndReplay(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{})
	id := build(t, s, "app", completed)
	r, err := s.Find(id[:6])
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != id || r.Status != Completed || r.Steps != 2 || r.Done != 2 || r.Cached != 1 || r.Duration(s.Now()) != 5*time.Second {
		t.Errorf("%+v", r)
	}
	var got []string
	err = s.Replay(id, func(e event.Event) {
		got = append(got, fmt.Sprintf("%d %d %s %s %s %s", e.Kind, e.Index, e.Vertex.Name, e.Data, e.Reason, e.Duration))
	})
	want := []string{
		"3 1 [1/2] FROM base   0s", "1 2 [2/2] RUN make  the command is new 0s",
		"2 2 [2/2] RUN make hello\n  0s", "4 2 [2/2] RUN make   1s",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %q", err, got)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{})
	if _, err := s.Find(""); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
	first, second := build(t, s, "first", completed), build(t, s, "second", completed)
	for ref, want := range map[string]string{"": second, "^0": second, "^1": first, first: first, second[:20]: second} {
		if r, err := s.Find(ref); err != nil || r.ID != want {
			t.Errorf("%q: %s %v, want %s", ref, r.ID, err, want)
		}
	}
	for ref, kind := range map[string]error{"^2": errdefs.ErrNotFound, "^x": errdefs.ErrInvalid, "../x": errdefs.ErrNotFound} {
		if _, err := s.Find(ref); !errors.Is(err, kind) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if err := s.Remove(first); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(); err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
	for _, bad := range []string{"../../etc", "", "record.json"} {
		if err := s.Replay(bad, nil); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("replay %q: %v", bad, err)
		}
	}
}

// TestLimits: the oldest builds go, by number and by bytes, and the latest stays
// however large it is.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{Builds: 3})
	var ids []string
	for i := range 6 {
		ids = append(ids, build(t, s, fmt.Sprint(i), completed))
	}
	all, err := s.List()
	if err != nil || len(all) != 3 || all[0].ID != ids[5] || all[2].ID != ids[3] {
		t.Errorf("%v: %+v", err, all)
	}
	s.Limits = Limits{Bytes: 1}
	last := build(t, s, "large", completed)
	if all, err := s.List(); err != nil || len(all) != 1 || all[0].ID != last {
		t.Errorf("%v: %+v", err, all)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{Log: 100})
	r, err := s.Begin(Record{})
	if err != nil {
		t.Fatal(err)
	}
	v := &plan.Vertex{Name: "RUN yes"}
	for range 1000 {
		r.Event(event.Event{Kind: event.Log, Vertex: v, Index: 1, Data: []byte(strings.Repeat("y\n", 20))}, plain)
	}
	r.Event(event.Event{Kind: event.Failed, Vertex: v, Index: 1, Err: errors.New("exit code: 1")}, plain)
	if err := r.End(func(r *Record) { r.Status = Failed }); err != nil {
		t.Fatal(err)
	}
	var n int
	var last event.Event
	text := ""
	if err := s.Replay(r.ID(), func(e event.Event) { n++; last = e; text += string(e.Data) }); err != nil {
		t.Fatal(err)
	}
	if n > 5 || last.Kind != event.Failed || last.Err.Error() != "exit code: 1" || !strings.Contains(text, "is not kept") {
		t.Errorf("%d events, the last %+v: %s", n, last, text)
	}
}

// TestMask: names, reasons and errors go through the mask, and arguments are not
// written before the build has ended.
func TestMask(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{})
	r, err := s.Begin(Record{BuildArgs: map[string]string{"A": "topsecret"}, Labels: map[string]string{"L": "topsecret"}})
	if err != nil {
		t.Fatal(err)
	}
	mask := func(text string) string { return strings.ReplaceAll(text, "topsecret", "***") }
	r.Event(event.Event{
		Kind: event.Failed, Vertex: &plan.Vertex{Name: "RUN topsecret"}, Index: 1, Reason: "topsecret",
		Err: errors.New("topsecret"),
	}, mask)
	holds := func(when string) {
		files, err := os.ReadDir(filepath.Join(s.Dir, r.ID()))
		if err != nil || len(files) != 2 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(s.Dir, r.ID(), f.Name()))
			if err != nil || strings.Contains(string(data), "topsecret") {
				t.Errorf("%s, %s: %s %v", when, f.Name(), data, err)
			}
		}
	}
	holds("while it runs")
	if err := r.End(func(r *Record) { r.BuildArgs, r.Labels = nil, nil }); err != nil {
		t.Fatal(err)
	}
	holds("after the end")
}

// TestKilled: a build whose process is gone has failed, and one of a torn record is none.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{})
	r, err := s.Begin(Record{Name: "killed"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Find(r.ID()); err != nil || got.Status != Running {
		t.Errorf("%+v %v", got, err)
	}
	if err := s.Remove(r.ID()); !errors.Is(err, errdefs.ErrConflict) {
		t.Error(err)
	}
	r.record.Builder = "999999999.1"
	if err := s.write(r.record); err != nil {
		t.Fatal(err)
	}
	got, err := s.Find(r.ID())
	if err != nil || got.Status != Failed || got.Failure == nil || got.Ended.IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	torn := filepath.Join(s.Dir, r.ID(), recordName)
	if err := os.WriteFile(torn, []byte(`{"ID":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}

// TestKilledBeforeItBegan: a build is there whole or not at all, and what a kill left half
// made goes at once, while that of a process which runs stays.
func TestKilledBeforeItBegan(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{})
	r, err := s.Begin(Record{Name: "whole"})
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.Dir); err != nil || len(entries) != 1 || entries[0].Name() != r.ID() {
		t.Errorf("%v %v: more than the build", entries, err)
	}
	mine := s.half(newID())
	dead := filepath.Join(s.Dir, halfPrefix+"999999999.1-"+newID())
	for _, dir := range []string{mine, dead} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := s.List(); err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
	if err := r.End(completed); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what a kill left is there: ", err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	if err := (Store{Dir: filepath.Join(s.Dir, "none")}).Sweep(); err != nil {
		t.Error(err)
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	s := store(t, Limits{})
	r, err := s.Begin(Record{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Attach([]byte(`{"a":1}`), "https://slsa.dev/provenance/v1", "linux/amd64"); err != nil {
		t.Fatal(err)
	}
	if err := r.End(completed); err != nil {
		t.Fatal(err)
	}
	got, err := s.Find(r.ID())
	if err != nil || len(got.Attachments) != 1 {
		t.Fatal(got, err)
	}
	data, err := s.Attachment(got.ID, got.Attachments[0])
	if err != nil || string(data) != `{"a":1}` {
		t.Errorf("%s %v", data, err)
	}
	name := filepath.Join(s.Dir, got.ID, got.Attachments[0].Digest.Encoded())
	if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attachment(got.ID, got.Attachments[0]); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := s.Attachment(got.ID, Attachment{Digest: "../record.json"}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
}

// TestReplayOfATornLog: the last line of a build that was killed may be a piece.
func TestReplayOfATornLog(t *testing.T) {
	t.Parallel()
	var kinds []event.Kind
	err := replay(strings.NewReader(`{"k":1,"i":1,"name":"RUN x","t":1}
{"k":5,"i":1,"t":2}
{"k":2,"i":1,"b":"aG`), func(e event.Event) { kinds = append(kinds, e.Kind) })
	if err != nil || !slices.Equal(kinds, []event.Kind{event.Started, event.Failed}) {
		t.Errorf("%v %v", err, kinds)
	}
}
