package historycmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// history is a root with one build that failed, and with one document about it.
func history(t *testing.T) (root, id string) {
	t.Helper()
	root = t.TempDir()
	eng, err := (&app.App{Root: root, Err: io.Discard}).Engine()
	if err != nil {
		t.Fatal(err)
	}
	rec, err := builds.History(eng).Begin(builds.Record{Name: "app"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := &builds.Vertex{Name: "[2/2] RUN make", Definition: "sha256:aa"}
	same := func(s string) string { return s }
	for _, e := range []builds.Event{
		{Kind: builds.Started, Vertex: v, Index: 1, Total: 1, Time: at},
		{Kind: builds.Log, Vertex: v, Index: 1, Total: 1, Time: at.Add(time.Second), Stream: 2, Data: []byte("no rule\n")},
		{Kind: builds.Failed, Vertex: v, Index: 1, Total: 1, Time: at.Add(2 * time.Second), Err: errors.New("exit code: 2")},
	} {
		rec.Event(e, same)
	}
	if err := rec.Attach([]byte(`{"predicateType":"https://spdx.dev/Document"}`), "https://spdx.dev/Document", ""); err != nil {
		t.Fatal(err)
	}
	err = rec.End(func(r *builds.Record) {
		r.Status, r.Failure = builds.StatusFailed, &builds.Failure{Text: "exit code: 2"}
	})
	if err != nil {
		t.Fatal(err)
	}
	return root, rec.ID()
}

// call runs a command on a root.
func call(root string, args ...string) (string, error) {
	var out bytes.Buffer
	a := &app.App{Root: root, Out: &out, Err: io.Discard}
	cmd := Noun(a)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestCommands(t *testing.T) {
	t.Parallel()
	root, id := history(t)
	for _, c := range []struct{ args, want string }{
		{"ls -q", id + "\n"},
		{"ls --filter status=completed -q", ""},
		{"ls --format {{.Name}}/{{.Status}}", "app/Error\n"},
		{"logs", "#1 [2/2] RUN make\n#1 1.000 no rule\n#1 ERROR: exit code: 2\n------\n > [2/2] RUN make:\nno rule\n------\n"},
		{"logs --progress rawjson " + id[:5], `{"vertexes":[{"digest":"sha256:aa","name":"[2/2] RUN make","started":"2026-01-02T03:04:05Z"}]}
{"logs":[{"vertex":"sha256:aa","stream":2,"data":"bm8gcnVsZQo=","timestamp":"2026-01-02T03:04:06Z"}]}
{"vertexes":[{"digest":"sha256:aa","name":"[2/2] RUN make","started":"2026-01-02T03:04:05Z",` +
			`"completed":"2026-01-02T03:04:07Z","error":"exit code: 2"}]}
`},
		{"inspect --format {{.Error.Message}} ^0", "exit code: 2\n"},
		{"inspect attachment ^0 --type sbom", "{\n  \"predicateType\": \"https://spdx.dev/Document\"\n}\n"},
		{"rm " + id[:8], id + "\n"},
		{"ls -q", ""},
		{"rm --all", ""},
	} {
		got, err := call(root, strings.Fields(c.args)...)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.args, err, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	root, id := history(t)
	for args, kind := range map[string]error{
		"inspect nosuch": errdefs.ErrNotFound, "logs ^7": errdefs.ErrNotFound, "rm": errdefs.ErrInvalid,
		"rm --all " + id: errdefs.ErrInvalid, "logs --progress odd": errdefs.ErrInvalid, "ls --filter odd=1": errdefs.ErrInvalid,
		"inspect attachment " + id: errdefs.ErrNotFound, "rm nosuch": errdefs.ErrNotFound,
	} {
		if out, err := call(root, strings.Fields(args)...); !errors.Is(err, kind) {
			t.Errorf("%s: %s %v", args, out, err)
		}
	}
}

// TestInspectHasBuildxKeys: programs read it.
func TestInspectHasBuildxKeys(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, r := range builtAndFailed() {
		text, err := json.Marshal(inspectedOf(r, noon))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		for k := range m {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	want := []string{
		"Attachments", "BuildArgs", "CompletedAt", "Context", "Duration", "Error", "Materials", "Name", "NumCachedSteps",
		"NumCompletedSteps", "NumTotalSteps", "Platform", "Ref", "StartedAt", "Status", "Tags",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
}
