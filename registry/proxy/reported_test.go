package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/registry/auth"
)

// behind is an upstream with an image, and a registry that is a proxy of it.
func behind(t *testing.T, spec Spec) (*hostile, *near, distributiontest.Image) {
	t.Helper()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	img := up.push(1, "team/app", "v1", 3000, 700_000)
	spec.Project, spec.Upstream = "mirror", up.address
	n.create(spec)
	return up, n, img
}

func isBlob(r *http.Request) bool     { return strings.Contains(r.URL.Path, "/blobs/") }
func isManifest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }

// largest is the digest of the largest blob.
func largest(img distributiontest.Image) (of digest.Digest) {
	for dgst, b := range img.Blobs {
		if len(b) > len(img.Blobs[of]) {
			of = dgst
		}
	}
	return of
}

// TestReportedHeads: what people met whose upstream answers a HEAD otherwise than a GET.
func TestReportedHeads(t *testing.T) {
	t.Parallel()
	refuse := func(status int, of func(*http.Request) bool) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodHead || !of(r) {
				return false
			}
			w.WriteHeader(status)
			return true
		}
	}
	for name, script := range map[string]func(up *hostile) func(w http.ResponseWriter, r *http.Request) bool{
		// Harbor 22609: a proxy that knows by GET alone what its own upstream has.
		"blobs that a HEAD does not find": func(*hostile) func(http.ResponseWriter, *http.Request) bool { return refuse(404, isBlob) },
		// Storage that signs addresses for one method.
		"a signature for GET":  func(*hostile) func(http.ResponseWriter, *http.Request) bool { return refuse(403, isBlob) },
		"no HEAD of blobs":     func(*hostile) func(http.ResponseWriter, *http.Request) bool { return refuse(405, isBlob) },
		"no HEAD of manifests": func(*hostile) func(http.ResponseWriter, *http.Request) bool { return refuse(405, isManifest) },
		// A server before it that packs what it sends, and so says no length.
		"no length": func(up *hostile) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodHead || !isBlob(r) {
					return false
				}
				w.Header().Set("Transfer-Encoding", "chunked")
				return true
			}
		},
		"no digest": func(up *hostile) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if !isManifest(r) {
					return false
				}
				rec := httptest.NewRecorder()
				up.real.ServeHTTP(rec, r)
				w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				w.WriteHeader(rec.Code)
				_, _ = w.Write(rec.Body.Bytes())
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up, n, img := behind(t, Spec{FreshFor: time.Minute})
			up.answer(script(up))
			for dgst, b := range img.Blobs {
				status, header, _ := n.do("HEAD", "mirror/team/app/blobs/"+dgst.String())
				if status != 200 || header.Get("Content-Length") != fmt.Sprint(len(b)) {
					t.Errorf("HEAD: %d %v", status, header)
				}
			}
			n.pull("mirror/team/app", "v1", img)
			n.clock.Advance(time.Hour)
			renewed := up.push(2, "team/app", "v1", 4000)
			n.pull("mirror/team/app", "v1", renewed)
			if _, header, _ := n.do("HEAD", "mirror/team/app/manifests/v1"); header.Get("Age") != "" {
				t.Errorf("it is held to be old: %v", header)
			}
			absent := digest.FromString("nobody has it")
			if status, _, _ := n.do("GET", "mirror/team/app/blobs/"+absent.String()); status != 404 {
				t.Errorf("a blob that nobody has: %d", status)
			}
		})
	}
}

// TestReportedOneBad: one thing that always fails, as a manifest whose storage answers
// 500 or a blob whose line is cut, is not the end of the others (distribution 4477,
// Harbor 18707).
func TestReportedOneBad(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(w http.ResponseWriter){
		"500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"503": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "700000")
			_, _ = w.Write(make([]byte, 1000))
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up, n, img := behind(t, Spec{})
			bad, good := largest(img), up.push(3, "team/good", "v1", 5000)
			up.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, bad.String()) {
					return false
				}
				fail(w)
				return true
			})
			for range 2 {
				if status, _, _ := n.do("GET", "mirror/team/app/blobs/"+bad.String()); status == 200 {
					t.Errorf("the bad one: %d", status)
				}
				n.pull("mirror/team/good", "v1", good)
			}
			asked := up.count("GET", bad.String())
			status, header, _ := n.do("GET", "mirror/team/app/blobs/"+bad.String())
			if status != 503 || header.Get("Retry-After") == "" || up.count("GET", bad.String()) != asked {
				t.Errorf("asked again at once: %d %v, %d questions", status, header, up.count("GET", bad.String())-asked)
			}
			if wait := header.Get("Retry-After"); name == "503" && wait != "90" {
				t.Errorf("it asks for 90 seconds: %s", wait)
			}
			if st := n.proxies.State("mirror"); !st.RestsUntil.IsZero() {
				t.Errorf("all of it is left alone: %+v", st)
			}
			up.answer(nil)
			n.clock.Advance(2 * time.Minute)
			n.pull("mirror/team/app", "v1", img)
		})
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		up, n, img := behind(t, Spec{})
		up.set("500")
		for i := range 6 {
			n.do("GET", fmt.Sprintf("mirror/team/app/manifests/v%d", i))
		}
		if st := n.proxies.State("mirror"); st.RestsUntil.IsZero() || up.count("", "/manifests/v5") > 0 {
			t.Errorf("what is down is left alone: %+v, %d questions", st, up.count("", "/manifests/v5"))
		}
		up.set("")
		n.clock.Advance(time.Minute)
		n.pull("mirror/team/app", "v1", img)
	})
}

// TestReportedMoved: the upstream gives a tag to another image and collects the old
// one, of which the proxy has a part. Pulls fail once, and not until the tag is no
// longer fresh (Harbor 22747, 18558).
func TestReportedMoved(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{FreshFor: 24 * time.Hour})
	if status, _, _ := n.do("GET", "mirror/team/app/manifests/v1"); status != 200 {
		t.Fatal(status)
	}
	renewed := up.push(2, "team/app", "v1", 4000)
	n.clock.Advance(time.Minute)
	up.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if isBlob(r) && strings.HasSuffix(r.URL.Path, largest(img).String()) {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	if status, _, _ := n.do("GET", "mirror/team/app/blobs/"+largest(img).String()); status != 404 {
		t.Errorf("a blob that is gone: %d", status)
	}
	n.clock.Advance(time.Minute)
	n.pull("mirror/team/app", "v1", renewed)
	asked := up.count("", "/manifests/v1")
	// Somebody who asks for what no manifest needs has nothing compared.
	n.do("GET", "mirror/team/app/blobs/"+digest.FromString("made up").String())
	n.pull("mirror/team/app", "v1", renewed)
	if got := up.count("", "/manifests/v1") - asked; got != 0 {
		t.Errorf("%d questions while it is fresh", got)
	}
}

// TestReportedExpired: the manifest is here, and its blobs went (distribution 1356,
// Harbor 15654).
func TestReportedExpired(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{FreshFor: 1000 * time.Hour, KeepFor: 24 * time.Hour})
	n.pull("mirror/team/app", "v1", img)
	n.clock.Advance(100 * time.Hour)
	if got, err := n.proxies.Evict(t.Context(), n.stored); err != nil || got == 0 {
		t.Errorf("evicted %d, %v", got, err)
	}
	n.clock.Advance(100 * time.Hour)
	if got, err := n.stored.Collect(t.Context()); err != nil || got.Blobs == 0 {
		t.Errorf("collected %+v, %v", got, err)
	}
	n.pull("mirror/team/app", "v1", img)
	n.pull("mirror/team/app", img.Manifest.Descriptor.Digest.String(), img)
	if got := up.count("GET", "/blobs/"+largest(img).String()); got != 2 {
		t.Errorf("%d downloads of a blob that went once", got)
	}
}

// TestReportedDocker: images in docker's own format are neither changed nor brought
// again (zot 4042, 2584, 902), whatever the type that they are served as.
func TestReportedDocker(t *testing.T) {
	t.Parallel()
	up, n, _ := behind(t, Spec{FreshFor: time.Minute})
	img := up.push(5, "team/docker", "oci", 3000)
	var doc map[string]any
	if err := json.Unmarshal(img.Manifest.Body, &doc); err != nil {
		t.Fatal(err)
	}
	const docker = "application/vnd.docker.distribution.manifest.v2+json"
	doc["mediaType"] = docker
	doc["config"].(map[string]any)["mediaType"] = "application/vnd.docker.container.image.v1+json"
	delete(doc, "annotations")
	body, err := json.MarshalIndent(doc, "", "   ") // not as we would write it
	if err != nil {
		t.Fatal(err)
	}
	img.Manifest = distribution.Manifest{Body: body, Descriptor: ocispec.Descriptor{
		MediaType: docker, Digest: digest.FromBytes(body), Size: int64(len(body)),
	}}
	if _, err := up.images.PutManifest(up.images.ctx, "team/docker", img.Manifest, "v1"); err != nil {
		t.Fatal(err)
	}
	for _, served := range []string{docker, "application/json", "text/plain; charset=utf-8", ""} {
		up.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !isManifest(r) {
				return false
			}
			w.Header()["Content-Type"] = []string{served}
			w.Header().Set("Docker-Content-Digest", img.Manifest.Descriptor.Digest.String())
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body)
			return true
		})
		n.pull("mirror/team/docker", "v1", img)
		n.pull("mirror/team/docker", img.Manifest.Descriptor.Digest.String(), img)
		n.clock.Advance(time.Hour)
	}
	if gets, blobs := up.count("GET", "/manifests/v1"), up.count("GET", "/blobs/"+largest(img).String()); gets != 1 || blobs != 1 {
		t.Errorf("%d manifests and %d blobs brought", gets, blobs)
	}
}

// TestReportedTags: a long list is read in pages and asked for once.
func TestReportedTags(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{FreshFor: time.Minute})
	n.pull("mirror/team/app", "v1", img)
	for i := range 30 {
		if _, err := up.images.PutManifest(up.images.ctx, "team/app", img.Manifest, fmt.Sprintf("t%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (all []string) {
		t.Helper()
		for last := ""; ; {
			status, header, body := n.do("GET", "mirror/team/app/tags/list?n=4&last="+last)
			var page struct{ Tags []string }
			if err := json.Unmarshal(body, &page); err != nil || status != 200 {
				t.Fatalf("%d %s: %v", status, body, err)
			}
			if all = append(all, page.Tags...); header.Get("Link") == "" {
				return all
			}
			last = page.Tags[len(page.Tags)-1]
		}
	}
	if got := list(); len(got) != 31 || !slices.IsSorted(got) {
		t.Errorf("%d tags: %v", len(got), got)
	}
	if got := up.count("GET", "/tags/list"); got != 1 {
		t.Errorf("%d questions for one list", got)
	}
	up.push(9, "team/app", "new", 100)
	n.clock.Advance(2 * time.Minute)
	if got := list(); len(got) != 32 {
		t.Errorf("later: %d tags", len(got))
	}
	up.set("429")
	n.clock.Advance(2 * time.Minute)
	if got := list(); len(got) != 1 { // the one that was pulled is here
		t.Errorf("without the upstream: %v", got)
	}
}

// TestReportedReferrers: one that is listed and gone does not hide the others, and a
// registry from before referrers says so in its own way.
func TestReportedReferrers(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{})
	var doc ocispec.Manifest
	if err := json.Unmarshal(img.Manifest.Body, &doc); err != nil {
		t.Fatal(err)
	}
	var listed []ocispec.Descriptor
	for _, kind := range []string{"a", "b", "c"} {
		doc.ArtifactType, doc.Subject = "application/x."+kind, &img.Manifest.Descriptor
		m := distributiontest.NewManifest(t, doc)
		if _, err := up.images.PutManifest(up.images.ctx, "team/app", m); err != nil {
			t.Fatal(err)
		}
		m.Descriptor.ArtifactType = doc.ArtifactType
		listed = append(listed, m.Descriptor)
	}
	index, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: listed,
	})
	if err != nil {
		t.Fatal(err)
	}
	subject := img.Manifest.Descriptor.Digest
	up.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/referrers/"):
			w.WriteHeader(http.StatusMethodNotAllowed)
		case strings.HasSuffix(r.URL.Path, strings.ReplaceAll(subject.String(), ":", "-")):
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			w.Header().Set("Docker-Content-Digest", digest.FromBytes(index).String())
			_, _ = w.Write(index)
		case strings.HasSuffix(r.URL.Path, listed[0].Digest.String()):
			w.WriteHeader(http.StatusNotFound)
		default:
			return false
		}
		return true
	})
	n.pull("mirror/team/app", "v1", img)
	for range 2 {
		status, _, body := n.do("GET", "mirror/team/app/referrers/"+subject.String())
		if status != 200 || strings.Contains(string(body), listed[0].Digest.String()) ||
			!strings.Contains(string(body), listed[1].Digest.String()) || !strings.Contains(string(body), listed[2].Digest.String()) {
			t.Errorf("%d %s", status, body)
		}
	}
	if got := up.count("GET", listed[0].Digest.String()); got != 1 {
		t.Errorf("the one that is gone was asked for %d times", got)
	}
}

// TestReportedTokens: tokens that end after a few requests, in the middle of a blob too
// (Harbor 14791, distribution 1508); and a token service that does not answer keeps
// nobody from what is here.
func TestReportedTokens(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{FreshFor: time.Minute, User: "robot", Password: "correct horse"})
	var issued, left atomic.Int64
	var hang atomic.Bool
	hung := make(chan struct{}, 100)
	cut := largest(img)
	var cuts atomic.Int64
	up.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			if hang.Load() {
				hung <- struct{}{}
				<-r.Context().Done()
				return true
			}
			if user, pass, _ := r.BasicAuth(); user != "robot" || pass != "correct horse" {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			left.Store(2)
			_, _ = fmt.Fprintf(w, `{"token":"t%d","expires_in":1}`, issued.Add(1))
			return true
		}
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", issued.Load()) || left.Add(-1) < 0 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+up.address+`/token",service="up"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, cut.String()) && cuts.Add(1) <= 3 {
			left.Store(0) // by then it has ended
			rec := httptest.NewRecorder()
			up.real.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
			panic(http.ErrAbortHandler)
		}
		return false
	})
	n.pull("mirror/team/app", "v1", img)
	if issued.Load() < 3 || cuts.Load() < 4 {
		t.Errorf("%d tokens, %d beginnings", issued.Load(), cuts.Load())
	}
	hang.Store(true)
	n.clock.Advance(time.Hour)
	other := make(chan struct{})
	for i := range 2 {
		go func() {
			n.do("GET", fmt.Sprintf("mirror/team/other%d/manifests/v1", i)) // of repositories that need a token of their own
			other <- struct{}{}
		}()
	}
	<-hung
	begun := time.Now()
	n.pull("mirror/team/app", "v1", img)
	if took := time.Since(begun); took > patience+3*time.Second {
		t.Errorf("what is here took %v", took)
	}
	hang.Store(false)
	n.proxies.cancel()
	<-other
	<-other
}

// TestReportedLies: digests, lengths and types that are not so.
func TestReportedLies(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder){
		"another manifest": func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
			body := bytes.Replace(real.Body.Bytes(), []byte("{"), []byte("{ "), 1)
			real.Body = bytes.NewBuffer(body)
			real.Header().Set("Content-Length", fmt.Sprint(len(body)))
		},
		"a type that is none": func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
			if isManifest(r) {
				real.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			}
		},
		"too long": func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
			real.Body.WriteString("and more")
			real.Header().Set("Content-Length", fmt.Sprint(real.Body.Len()))
		},
		"HTML": func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
			real.Body = bytes.NewBufferString("<html>Sign in to this network</html>")
			real.Header().Set("Content-Length", fmt.Sprint(real.Body.Len()))
			real.Header().Set("Content-Type", "text/html")
		},
		"empty": func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
			real.Body.Reset()
			real.Header().Set("Content-Length", "0")
		},
		"round and round": func(w http.ResponseWriter, r *http.Request, real *httptest.ResponseRecorder) {
			real.Header().Set("Location", r.URL.Path)
			real.Code = http.StatusTemporaryRedirect
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up, n, img := behind(t, Spec{})
			up.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v2/" {
					return false
				}
				rec := httptest.NewRecorder()
				up.real.ServeHTTP(rec, r)
				if r.Method == http.MethodGet {
					lie(w, r, rec)
				}
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.WriteHeader(rec.Code)
				_, _ = w.Write(rec.Body.Bytes())
				return true
			})
			for _, ref := range []string{"v1", img.Manifest.Descriptor.Digest.String()} {
				if status, _, body := n.do("GET", "mirror/team/app/manifests/"+ref); status == 200 && !bytes.Equal(body, img.Manifest.Body) {
					t.Errorf("%s: %d %s", ref, status, body)
				}
			}
			for dgst, b := range img.Blobs {
				if status, _, body := n.do("GET", "mirror/team/app/blobs/"+dgst.String()); status == 200 && !bytes.Equal(body, b) {
					t.Errorf("%s: %d, %d bytes", dgst, status, len(body))
				}
			}
			up.answer(nil)
			n.clock.Advance(2 * time.Minute)
			n.pull("mirror/team/app", "v1", img)
		})
	}
}

// TestRoundAndRound: proxies that lead to themselves, or to one another, end where a
// question comes back, and serve what one of them has.
func TestRoundAndRound(t *testing.T) {
	t.Parallel()
	a, b := newNear(t, memstore.New(nil)), newNear(t, memstore.New(nil))
	a.create(Spec{Project: "self", Upstream: a.address + "/self"})
	a.create(Spec{Project: "round", Upstream: b.address + "/round"})
	b.create(Spec{Project: "round", Upstream: a.address + "/round"})
	dgst := digest.FromString("nobody has it").String()
	for _, path := range []string{"/manifests/v1", "/manifests/" + dgst, "/blobs/" + dgst, "/tags/list", "/referrers/" + dgst} {
		for _, repo := range []string{"self/app", "round/app"} {
			begun := time.Now()
			for _, method := range []string{"GET", "HEAD"} {
				if status, _, body := a.do(method, repo+path); status >= 500 || status < 0 {
					t.Errorf("%s %s%s: %d %s", method, repo, path, status, body)
				}
			}
			if took := time.Since(begun); took > patience {
				t.Errorf("%s%s took %v", repo, path, took)
			}
		}
	}
	img := distributiontest.NewImage(t, 1, 100)
	ctx := auth.WithCaller(t.Context(), owner)
	for dgst, bytes := range img.Blobs {
		up, err := b.stored.StartUpload(ctx, "round/app")
		if err == nil {
			_, _ = up.Write(bytes)
			_, err = up.Commit(ctx, dgst)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.stored.PutManifest(ctx, "round/app", img.Manifest, "v1"); err != nil {
		t.Fatal(err)
	}
	a.clock.Advance(time.Hour)
	a.pull("round/app", "v1", img)
}
