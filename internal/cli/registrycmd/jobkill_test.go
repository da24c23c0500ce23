package registrycmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server"
	"cove/registry/server/config"
)

// manyArtifacts are as many as a job over them does not end before it is killed.
const manyArtifacts = 400

// TestKilledJobs kills a server in the middle of a job over many artifacts, and stops the
// next one in the middle of the rest: the one after it ends the work, nothing is done
// twice, and what the job says of it in the end is what it did in all.
func TestKilledJobs(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			args := []string{"--tls=off"}
			if engine == "postgres" {
				args = append(args, "--database", metadatatest.Postgres(t).New(t))
			}
			w := &worked{t: t, args: args, root: t.TempDir()}
			w.p = serve(t, w.root, args...)
			w.fill("one/app")
			w.fill("two/app")
			w.run("retention", "add", "one", "--keep", "latestPushedK=1")
			w.cut("retention", fmt.Sprintf("deleted %d artifacts and 0 manifests that went with them, kept 1;", manyArtifacts-1),
				func() int { return manyArtifacts - w.tags("one/app") }, "retention", "run", "one")
			w.deletedOnce("one/app", manyArtifacts-1)
			w.cut("restore", fmt.Sprintf("%d artifacts of one/app are back", manyArtifacts-1),
				func() int { return w.tags("one/app") - 1 }, "tag", "restore", "one/app")
			w.cut("untag", fmt.Sprintf("%d tags are deleted, 0 stay, as immutable", manyArtifacts),
				func() int { return manyArtifacts - w.tags("one/app") }, "untag", "one/app")
			w.cut("delete", fmt.Sprint(manyArtifacts), func() int { return manyArtifacts - w.tags("two/app") }, "repository", "rm", "two/app")
			w.deletedOnce("two/app", manyArtifacts)
		})
	}
}

// worked is a registry whose jobs are cut off.
type worked struct {
	t    *testing.T
	p    *process
	root string
	args []string
}

// fill pushes images that differ, one after the other.
func (w *worked) fill(repo string) {
	w.t.Helper()
	const config = "application/vnd.oci.image.config.v1+json"
	for n := range manyArtifacts {
		blob := fmt.Appendf(nil, `{"n":%d}`, n)
		dgst := digest.FromBytes(blob)
		if code, _, body := w.p.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), blob); code != 201 {
			w.t.Fatalf("push: %d %s", code, body)
		}
		m := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
			ociManifest, config, dgst, len(blob))
		if code, _, body := w.p.do("PUT", fmt.Sprintf("/v2/%s/manifests/t%d", repo, n), m, "Content-Type", ociManifest); code != 201 {
			w.t.Fatalf("push: %d %s", code, body)
		}
	}
}

func (w *worked) run(args ...string) string {
	w.t.Helper()
	out, errs, code := here(w.t, "", append(args, append([]string{"--root", w.root}, w.args[1:]...)...)...)
	if code != 0 {
		w.t.Fatalf("registry %v: %d %s%s", args, code, out, errs)
	}
	return strings.TrimSpace(out)
}

func (w *worked) tags(repo string) int {
	w.t.Helper()
	code, _, body := w.p.do("GET", "/v2/"+repo+"/tags/list", nil)
	var list struct{ Tags []string }
	if err := json.Unmarshal(body, &list); code != 200 || err != nil {
		w.t.Fatalf("tags: %d %s", code, body)
	}
	return len(list.Tags)
}

// cut has a job begin, kills the server that does it, and stops the next one.
func (w *worked) cut(kind, want string, done func() int, how ...string) {
	w.t.Helper()
	w.begin(how...)
	var at []int
	for n := range 2 {
		last := done()
		eventually(w.t, kind+" goes on", func() bool { return done() > last+manyArtifacts/20 })
		if n == 0 {
			w.p.Kill()
		} else {
			w.p.Stop()
		}
		w.p = serve(w.t, w.root, w.args...)
		at = append(at, done())
	}
	var job struct {
		State, Note string
		Attempts    int
	}
	eventually(w.t, kind+" ends", func() bool {
		text := w.run("job", "ls", "--kind", kind, "--format", "{{json .}}")
		first, _, _ := strings.Cut(text, "\n")
		if err := json.Unmarshal([]byte(first), &job); err != nil {
			w.t.Fatal(err, text)
		}
		return job.State != "running" && job.State != "waiting"
	})
	if job.State != "done" || !strings.HasPrefix(job.Note, want) {
		w.t.Errorf("%s, cut off at %v of %d: %+v, want %q", kind, at, manyArtifacts, job, want)
	}
	w.t.Logf("%s: killed and stopped when %v of %d were done; %s, %q", kind, at, manyArtifacts, job.State, job.Note)
}

// begin asks for a job: by a command in the background, which may wait for the end, or, of
// what only pages ask for, as they do.
func (w *worked) begin(how ...string) {
	w.t.Helper()
	if how[0] == "untag" {
		cfg := config.Config{Root: w.root}
		if len(w.args) > 1 {
			cfg.Database = w.args[2]
		}
		err := server.Administer(w.t.Context(), cfg, func(s server.Services) error {
			_, err := s.Policies.History.Untag(w.t.Context(), auth.Operator(), history.Many{Repository: how[1]})
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		return
	}
	cmd := commandLine(w.t.Context(), append(how, append([]string{"--root", w.root}, w.args[1:]...)...)...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Wait() }) // what came of it is the job's to say
}

// deletedOnce compares the audit log with what was to be done.
func (w *worked) deletedOnce(repo string, want int) {
	w.t.Helper()
	seen := map[string]int{}
	for line := range strings.SplitSeq(w.run("audit", "list", "--action", "manifest.delete", "-n", "100000", "--since",
		time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "--format", "{{.Object}}"), "\n") {
		if strings.HasPrefix(line, repo+"@") {
			seen[line]++
		}
	}
	for what, n := range seen {
		if n != 1 {
			w.t.Errorf("%s was deleted %d times", what, n)
		}
	}
	if len(seen) != want {
		w.t.Errorf("%d artifacts of %s were deleted, want %d", len(seen), repo, want)
	}
}
