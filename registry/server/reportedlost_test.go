package server

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/server/config"
)

// TestReportedLostBytes: what is left of an artifact whose layer or manifest the storage has
// lost, or has cut to nothing, can be deleted, says so once, and can be pushed again
// (zot 4449, 4286).
func TestReportedLostBytes(t *testing.T) {
	lose := func(name string) error { return os.Remove(name) }
	empty := func(name string) error { return os.Truncate(name, 0) }
	for name, c := range map[string]struct {
		harm     func(string) error
		manifest bool
	}{
		"layer lost": {lose, false}, "layer empty": {empty, false},
		"manifest lost": {lose, true}, "manifest empty": {empty, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReporter(t, config.Config{})
			subject := r.image("team/app", "v1", []byte("what is signed"))
			layer := []byte("a signature")
			sig := r.signature("team/app", subject, layer)
			harmed := digest.FromBytes(layer)
			if c.manifest {
				harmed = sig
			}
			if err := c.harm(filepath.Join(r.s.cfg.Root, "content", "blobs", "sha256", harmed.Encoded())); err != nil {
				t.Fatal(err)
			}
			path := "/v2/team/app/manifests/" + sig.String()
			r.want("a delete", r.ask("DELETE", path, nil), 202)
			r.want("once more", r.ask("DELETE", path, nil), 404)
			r.want("read", r.ask("GET", path, nil), 404)
			if list := r.want("its subject's list", r.ask("GET", "/v2/team/app/referrers/"+subject.String(), nil), 200); strings.Contains(list.body, sig.String()) {
				t.Errorf("it is still listed: %s", list.body)
			}
			if again := r.signature("team/app", subject, layer); again != sig {
				t.Errorf("pushed again it is %s", again)
			}
			r.want("read again", r.ask("GET", path, nil), 200)
			r.want("its layer", r.ask("GET", "/v2/team/app/blobs/"+digest.FromBytes(layer).String(), nil), 200, string(layer))
		})
	}
}

// signature pushes an artifact that refers to another, and has one layer.
func (r *reporter) signature(repo string, subject digest.Digest, layer []byte) digest.Digest {
	r.t.Helper()
	size := r.ask("HEAD", "/v2/"+repo+"/manifests/"+subject.String(), nil).header.Get("Content-Length")
	config := []byte("{}")
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.dev.cosign.artifact.sig.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":%q,"size":%d}],`+
		`"subject":{"mediaType":%q,"digest":%q,"size":%s}}`,
		imageType, r.blob(repo, config), len(config), r.blob(repo, layer), len(layer), imageType, subject, size)
	dgst := digest.FromString(m)
	r.want("a signature", r.ask("PUT", "/v2/"+repo+"/manifests/"+dgst.String(), strings.NewReader(m), "Content-Type", imageType), 201)
	return dgst
}

// TestReportedDiamonds: indexes that list each other in a lattice, where the ways double at
// each step, cost no more than their number (zot 4318).
func TestReportedDiamonds(t *testing.T) {
	r := newReporter(t, config.Config{})
	const steps = 14
	below := [2]digest.Digest{r.image("team/app", "", []byte("one")), r.image("team/app", "", []byte("two"))}
	kind := imageType
	begun := time.Now()
	for step := range steps {
		var next [2]digest.Digest
		for side := range next {
			var list []string
			for _, d := range below {
				size := r.ask("HEAD", "/v2/team/app/manifests/"+d.String(), nil).header.Get("Content-Length")
				list = append(list, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%s}`, kind, d, size))
			}
			body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s],"annotations":{"side":"%d of %d"}}`,
				indexType, strings.Join(list, ","), side, step)
			next[side] = digest.FromBytes(body)
			r.want("an index", r.ask("PUT", "/v2/team/app/manifests/"+next[side].String(), bytes.NewReader(body), "Content-Type", indexType), 201)
		}
		below, kind = next, indexType
	}
	top := below[0].String()
	r.want("the top", r.ask("GET", "/v2/team/app/manifests/"+top, nil), 200)
	for _, path := range []string{
		"/api/v1/artifacts/team/app@" + top, "/api/v1/tags/team/app", "/api/v1/usage/team/app@" + top,
	} {
		if a := r.ask("GET", path, nil); a.code >= 500 {
			t.Errorf("%s: %d %s", path, a.code, a.body)
		}
	}
	r.want("a part that is listed", r.ask("DELETE", "/v2/team/app/manifests/"+digest.FromString("one").String(), nil), 404)
	r.want("the top goes", r.ask("DELETE", "/v2/team/app/manifests/"+top, nil), 202)
	r.want("its neighbour too", r.ask("DELETE", "/v2/team/app/manifests/"+below[1].String(), nil), 202)
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
