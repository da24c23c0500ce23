package registrycmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/registry/migrate"
)

// TestImportStory takes over another registry's storage and serves it.
func TestImportStory(t *testing.T) {
	t.Parallel()
	root, theirs := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(theirs, "docker/registry/v2", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(text string) digest.Digest {
		t.Helper()
		dgst := digest.FromString(text)
		write("blobs/sha256/"+dgst.Encoded()[:2]+"/"+dgst.Encoded()+"/data", text)
		return dgst
	}
	layer, config := blob("a layer"), blob("{}")
	m := string(manifestOf(config.String(), layer.String(), 2, 7))
	dgst := blob(m)
	of := "repositories/team/app/_manifests/"
	write(of+"revisions/sha256/"+dgst.Encoded()+"/link", dgst.String())
	write(of+"tags/v1/current/link", dgst.String())

	imports := func(code int, want string, flags ...string) {
		t.Helper()
		out, errs, got := here(t, "", append([]string{"import", theirs, "--root", root}, flags...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%d, want %d and %q\n%s%s", got, code, want, out, errs)
		}
	}
	imports(1, "there is no registry at")
	p := serve(t, root, "--tls=off")
	imports(1, "needs the registry to be stopped")
	p.Stop()
	imports(0, "found 1 repository, 1 manifest and 1 tag; added 1 manifest, copied 2 blobs (9B)")
	imports(0, "added 0 manifests, linked 0 blobs", "--link")
	for want, args := range map[string][]string{
		"say where it is, by --endpoint or --region": {"s3://old/storage"},
		"leave --link out":                           {"s3://old/storage", "--link"},
		"and a service of buckets is named":          {theirs, "--region", "eu-west-1"},
		"opening the other registry's storage":       {filepath.Join(root, "none")},
	} {
		out, errs, code := here(t, "", append(append([]string{"import"}, args...), "--root", root)...)
		if code != 1 || !strings.Contains(out+errs, want) {
			t.Errorf("%q: %d, want %q\n%s%s", args, code, want, out, errs)
		}
	}
	write(of+"tags/v2/current/link", digest.FromString("nothing").String())
	report := filepath.Join(t.TempDir(), "report.json")
	imports(1, "tags v2 name "+digest.FromString("nothing").String()+", which is not there", "--report", report)
	var told migrate.Report
	if b, err := os.ReadFile(report); err != nil || json.Unmarshal(b, &told) != nil || len(told.Repositories) != 1 ||
		told.Repositories[0].Name != "team/app" || len(told.Repositories[0].Problems) != 1 || told.Total.Tags != 2 {
		t.Errorf("report: %+v, %v", told, err)
	}
	p = serve(t, root, "--tls=off")
	if status, _, body := p.do("GET", "/v2/team/app/manifests/v1", nil); status != 200 || string(body) != m {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := p.do("GET", "/v2/team/app/blobs/"+layer.String(), nil); status != 200 || string(body) != "a layer" {
		t.Errorf("%d %s", status, body)
	}
	p.Stop()
}
