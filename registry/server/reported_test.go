package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
	"cove/internal/strictyaml"
	"cove/registry/server/config"
)

// Each test here is a public report of what another registry did wrong, asked of this one.

const (
	imageType = "application/vnd.oci.image.manifest.v1+json"
	indexType = "application/vnd.oci.image.index.v1+json"
)

// reporter is a client that asks a registry over HTTP, as people who report do.
type reporter struct {
	t    *testing.T
	s    *Server
	base string
}

func newReporter(t *testing.T, cfg config.Config) *reporter {
	t.Helper()
	s := newTestServer(t, cfg)
	ts := httptest.NewServer(s.handler)
	t.Cleanup(ts.Close)
	return &reporter{t, s, ts.URL}
}

// answer is what a registry said.
type answer struct {
	code   int
	header http.Header
	body   string
}

func (a answer) location() string { return a.header.Get("Location") }

// ask sends a request; header are names and values in turn.
func (r *reporter) ask(method, path string, body io.Reader, header ...string) answer {
	r.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = r.base + path
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth("admin", testPassword)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

func (r *reporter) want(what string, a answer, code int, says ...string) answer {
	r.t.Helper()
	if a.code != code {
		r.t.Errorf("%s: %d %s, want %d", what, a.code, a.body, code)
	}
	for _, text := range says {
		if !strings.Contains(a.body, text) {
			r.t.Errorf("%s: the answer does not say %q: %s", what, text, a.body)
		}
	}
	return a
}

func (r *reporter) blob(repo string, b []byte) digest.Digest {
	r.t.Helper()
	dgst := digest.FromBytes(b)
	r.want("a blob", r.ask("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), bytes.NewReader(b)), 201)
	return dgst
}

// image pushes one with a config and a layer of these bytes.
func (r *reporter) image(repo, ref string, layers ...[]byte) digest.Digest {
	r.t.Helper()
	configuration := []byte(`{"architecture":"amd64","os":"linux"}`)
	describe := func(kind string, b []byte) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":%q,"size":%d}`, kind, r.blob(repo, b), len(b))
	}
	all := make([]string, len(layers))
	for i, l := range layers {
		all[i] = describe("layer.v1.tar", l)
	}
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, imageType,
		describe("config.v1+json", configuration), strings.Join(all, ","))
	dgst := digest.FromString(m)
	if ref == "" {
		ref = dgst.String()
	}
	r.want("an image", r.ask("PUT", "/v2/"+repo+"/manifests/"+ref, strings.NewReader(m), "Content-Type", imageType), 201)
	return dgst
}

func (r *reporter) index(repo, ref string, children ...digest.Digest) digest.Digest {
	r.t.Helper()
	all := make([]string, len(children))
	for i, c := range children {
		size := r.ask("HEAD", "/v2/"+repo+"/manifests/"+c.String(), nil).header.Get("Content-Length")
		all[i] = fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%s}`, imageType, c, size)
	}
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, indexType, strings.Join(all, ","))
	r.want("an index", r.ask("PUT", "/v2/"+repo+"/manifests/"+ref, strings.NewReader(m), "Content-Type", indexType), 201)
	return digest.FromString(m)
}

// open begins an upload and returns where it is.
func (r *reporter) open(repo string) string {
	r.t.Helper()
	return r.want("begin", r.ask("POST", "/v2/"+repo+"/blobs/uploads/", nil), 202).location()
}

func (r *reporter) at(upload string) string {
	r.t.Helper()
	return r.want("status", r.ask("GET", upload, nil), 204).header.Get("Range")
}

// TestReportedUploads: sessions and their ranges.
func TestReportedUploads(t *testing.T) {
	r := newReporter(t, config.Config{})
	b := distributiontest.Bytes(1, 3<<20)
	dgst := digest.FromBytes(b)
	patch := func(upload string, from, to int) answer {
		return r.ask("PATCH", upload, bytes.NewReader(b[from:to]), "Content-Range", fmt.Sprintf("%d-%d", from, to-1))
	}
	// project-zot/zot 3983: an upload without bytes is at 0-0, not at 0--1.
	upload := r.open("team/app")
	if at := r.at(upload); at != "0-0" {
		t.Errorf("without bytes: %q", at)
	}
	// regclient/regclient 961: what a chunk's answer says is where it ends.
	if at := r.want("a chunk", patch(upload, 0, 1<<20), 202).header.Get("Range"); at != fmt.Sprint("0-", 1<<20-1) {
		t.Errorf("after a chunk: %q", at)
	}
	// opencontainers/distribution-spec 353: a chunk out of order is told where it goes on.
	wrong := r.want("out of order", patch(upload, 2<<20, 3<<20), 416)
	if wrong.header.Get("Range") != fmt.Sprint("0-", 1<<20-1) || wrong.location() == "" {
		t.Errorf("out of order: %v", wrong.header)
	}
	// The same chunk again, as of a client that did not hear the answer.
	r.want("once more", patch(upload, 0, 1<<20), 416)
	// project-zot/zot 3983: ranges that are none are refused.
	for _, none := range []string{"x", "1048576", "-", "1048576-", "-1", "2-1", "0x100000-0x1fffff", "1048576-2097151-3", "99999999999999999999-99999999999999999999"} {
		if a := r.ask("PATCH", upload, bytes.NewReader(b[1<<20:2<<20]), "Content-Range", none); a.code != 416 && a.code != 400 {
			t.Errorf("Content-Range %q: %d", none, a.code)
		}
	}
	// opencontainers/distribution-spec 590: a last chunk out of order is not appended.
	last := r.ask("PUT", upload+"?digest="+dgst.String(), bytes.NewReader(b[2<<20:]), "Content-Range", fmt.Sprintf("%d-%d", 2<<20, 3<<20-1))
	r.want("a last chunk out of order", last, 416)
	if at := r.at(upload); at != fmt.Sprint("0-", 1<<20-1) {
		t.Errorf("after a last chunk out of order: %q", at)
	}
	r.want("the rest", patch(upload, 1<<20, 2<<20), 202)
	// oras-project/oras-py 43: the last chunk comes with the end.
	end := r.ask("PUT", upload+"?digest="+url.QueryEscape(dgst.String()), bytes.NewReader(b[2<<20:]), "Content-Range", fmt.Sprintf("%d-%d", 2<<20, 3<<20-1))
	r.want("the end", end, 201)
	if got := r.ask("GET", end.location(), nil); got.code != 200 || digest.FromString(got.body) != dgst {
		t.Errorf("read back: %d, %d bytes", got.code, len(got.body))
	}
	// It is over, by every verb.
	for _, method := range []string{"GET", "PATCH", "PUT", "DELETE"} {
		r.want(method+" after the end", r.ask(method, upload+"?digest="+dgst.String(), nil), 404, "BLOB_UPLOAD_UNKNOWN")
	}
	// distribution/distribution 2364: a chunk is accepted, and a cancel has no content.
	cancelled := r.open("team/app")
	r.want("a chunk without a range, of unknown length", r.ask("PATCH", cancelled, io.MultiReader(bytes.NewReader(b[:1000]))), 202)
	r.want("a cancel", r.ask("DELETE", cancelled, nil), 204)
	r.want("a cancel once more", r.ask("DELETE", cancelled, nil), 404)
	// An upload of another repository is not found by its id.
	other := r.open("team/app")
	r.want("by another name", r.ask("GET", strings.Replace(other, "/team/app/", "/team/other/", 1), nil), 404)
	// A digest that is wrong ends the upload, and nothing of it can be read.
	r.want("a wrong digest", r.ask("PUT", other+"?digest="+dgst.String(), strings.NewReader("other bytes")), 400, "DIGEST_INVALID")
	for _, bad := range []string{"", "sha256:abc", strings.ToUpper(dgst.String()), "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("g", 64)} {
		r.want("digest "+bad, r.ask("POST", "/v2/team/app/blobs/uploads/?digest="+bad, strings.NewReader("x")), 400, "DIGEST_INVALID")
	}
	// Blobs of no bytes are blobs, in one request and in two.
	empty := r.blob("team/app", nil)
	r.want("no bytes in two requests", r.ask("PUT", r.open("team/empty")+"?digest="+empty.String(), nil), 201)
	if got := r.want("no bytes", r.ask("GET", "/v2/team/empty/blobs/"+empty.String(), nil), 200); got.header.Get("Content-Length") != "0" {
		t.Errorf("no bytes: %v", got.header)
	}
}

// TestReportedUploadsAtOnce: the same blob from many clients is one blob, and each hears so.
func TestReportedUploadsAtOnce(t *testing.T) {
	r := newReporter(t, config.Config{})
	b := distributiontest.Bytes(2, 300_000)
	dgst := digest.FromBytes(b)
	var clients sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		clients.Go(func() {
			repo := fmt.Sprint("team/app", i%2)
			codes[i] = r.ask("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), bytes.NewReader(b)).code
		})
	}
	clients.Wait()
	if slices.ContainsFunc(codes, func(code int) bool { return code != 201 }) {
		t.Errorf("%v", codes)
	}
	// Two that write to one session: one goes on, and the other hears that it may not.
	upload := r.open("team/app0")
	body, first := io.Pipe()
	done := make(chan int)
	go func() { done <- r.ask("PATCH", upload, body).code }()
	if _, err := first.Write(b[:1000]); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // until the first one has the session open
		taken, err := filepath.Glob(filepath.Join(r.s.cfg.Root, "content", "ingest", "*"))
		if err == nil && len(taken) > 0 {
			break
		}
		if time.Sleep(5 * time.Millisecond); i == 1000 {
			t.Fatal("the bytes did not arrive")
		}
	}
	r.want("a second writer", r.ask("PATCH", upload, bytes.NewReader(b[:10])), 503, "another writer has it open")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 202 {
		t.Errorf("the first writer: %d", code)
	}
}

// TestReportedMounts: blobs of other repositories.
func TestReportedMounts(t *testing.T) {
	r := newReporter(t, config.Config{})
	b := distributiontest.Bytes(3, 5000)
	absent := digest.FromString("nowhere")
	// project-zot/zot 573: a mount that falls back says where to upload, and nothing of the mount.
	for _, from := range []string{"", "&from=team/none", "&from=" + url.QueryEscape("Not A Name")} {
		a := r.want("a mount of what is nowhere"+from, r.ask("POST", "/v2/team/app/blobs/uploads/?mount="+absent.String()+from, nil), 202)
		if strings.Contains(a.location(), "mount") || strings.Contains(a.location(), "from") {
			t.Errorf("the upload is at %q", a.location())
		}
		want := digest.FromBytes(b)
		separator := "?"
		if strings.Contains(a.location(), "?") {
			separator = "&"
		}
		r.want("upload after a mount", r.ask("PUT", a.location()+separator+"digest="+want.String(), bytes.NewReader(b)), 201)
	}
	// quay/quay 899, goharbor/harbor 17097: without from, what can be pulled elsewhere is found.
	dgst := r.blob("team/source", b)
	for _, from := range []string{"&from=team/source", "&from=" + url.QueryEscape("team/source"), "", "&from=team/target"} {
		a := r.want("a mount"+from, r.ask("POST", "/v2/team/target/blobs/uploads/?mount="+url.QueryEscape(dgst.String())+from, nil), 201)
		if a.location() != "/v2/team/target/blobs/"+dgst.String() || a.header.Get("Docker-Content-Digest") != dgst.String() {
			t.Errorf("mounted at %v", a.header)
		}
	}
	r.want("the blob", r.ask("GET", "/v2/team/target/blobs/"+dgst.String(), nil), 200, string(b))
	r.want("a digest that is none", r.ask("POST", "/v2/team/target/blobs/uploads/?mount=sha256:abc&from=team/source", nil), 400)
}

// TestReportedRanges: parts of blobs.
func TestReportedRanges(t *testing.T) {
	r := newReporter(t, config.Config{})
	b := distributiontest.Bytes(4, 10_000)
	path := "/v2/team/app/blobs/" + r.blob("team/app", b).String()
	for _, tc := range []struct {
		ask   string
		code  int
		bytes []byte
		says  string
	}{
		{"bytes=0-0", 206, b[:1], "bytes 0-0/10000"},
		{"bytes=9999-", 206, b[9999:], "bytes 9999-9999/10000"},
		{"bytes=5000-99999", 206, b[5000:], "bytes 5000-9999/10000"},
		{"bytes=-1", 206, b[9999:], "bytes 9999-9999/10000"},
		{"bytes=-20000", 206, b, "bytes 0-9999/10000"},
		{"bytes=10000-", 416, nil, "bytes */10000"},
		{"bytes=-0", 416, nil, "bytes */10000"},
		{"bytes=5-1", 416, nil, ""}, // none (RFC 9110, 14.1.1), which may be refused
		{"lines=1-2", 200, b, ""},
		{"bytes=", 200, b, ""},
	} {
		a := r.ask("GET", path, nil, "Range", tc.ask)
		if a.code != tc.code || tc.bytes != nil && a.body != string(tc.bytes) || a.header.Get("Content-Range") != tc.says {
			t.Errorf("%s: %d, %d bytes, %q", tc.ask, a.code, len(a.body), a.header.Get("Content-Range"))
		}
		if tc.bytes != nil && a.header.Get("Content-Length") != strconv.Itoa(len(tc.bytes)) {
			t.Errorf("%s: Content-Length %s", tc.ask, a.header.Get("Content-Length"))
		}
	}
	head := r.ask("HEAD", path, nil)
	if head.code != 200 || head.header.Get("Content-Length") != "10000" || head.header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %d %v", head.code, head.header)
	}
	// A part of what changed meanwhile is all of it.
	if a := r.ask("GET", path, nil, "Range", "bytes=0-0", "If-Range", `"another"`); a.code != 200 || len(a.body) != len(b) {
		t.Errorf("If-Range of another: %d, %d bytes", a.code, len(a.body))
	}
	if a := r.ask("GET", path, nil, "Range", "bytes=0-0", "If-Range", head.header.Get("Etag")); a.code != 206 {
		t.Errorf("If-Range of this: %d", a.code)
	}
}

// TestReportedLists: pages of tags and repositories.
func TestReportedLists(t *testing.T) {
	r := newReporter(t, config.Config{})
	image := r.image("team/app", "v10", []byte("a layer"))
	for _, tag := range []string{"v9", "V1", "latest", "_x", "v1.0", "v1-a"} {
		body := r.ask("GET", "/v2/team/app/manifests/"+image.String(), nil).body
		r.want(tag, r.ask("PUT", "/v2/team/app/manifests/"+tag, strings.NewReader(body), "Content-Type", imageType), 201)
	}
	r.image("team/untagged", "", []byte("a layer"))
	list := func(path string) (names []string, next string) {
		t.Helper()
		a := r.want(path, r.ask("GET", path, nil), 200)
		var got struct{ Tags, Repositories []string }
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		next, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
		return append(got.Tags, got.Repositories...), next
	}
	// distribution/distribution 3143: tags come in one order, that of their bytes, on every page.
	all := []string{"V1", "_x", "latest", "v1-a", "v1.0", "v10", "v9"}
	if got, next := list("/v2/team/app/tags/list"); !slices.Equal(got, all) || next != "" {
		t.Errorf("%q, and then %q", got, next)
	}
	var paged []string
	for next := "/v2/team/app/tags/list?n=2"; next != ""; {
		var got []string
		if got, next = list(next); len(got) > 2 || len(got) == 0 {
			t.Fatalf("a page of %q", got)
		}
		paged = append(paged, got...)
	}
	if !slices.Equal(paged, all) {
		t.Errorf("by pages: %q", paged)
	}
	// What is named last need not be there, and nothing follows the end.
	for last, want := range map[string][]string{"v1": all[3:], "zzz": nil, "v9": nil, "Z": all[1:], "": all} {
		if got, next := list("/v2/team/app/tags/list?n=100&last=" + last); !slices.Equal(got, want) || next != "" {
			t.Errorf("after %q: %q, and then %q", last, got, next)
		}
	}
	// A page that ends where the tags do has no next one.
	if got, next := list("/v2/team/app/tags/list?n=7"); len(got) != 7 || next != "" {
		t.Errorf("all on one page: %q, and then %q", got, next)
	}
	// pulp/pulp_container 220: a number that is none is the client's mistake.
	for _, n := range []string{"-1", "x", "1.5", "99999999999999999999999"} {
		if a := r.ask("GET", "/v2/team/app/tags/list?n="+n, nil); a.code != 400 && a.code != 200 {
			t.Errorf("n=%s: %d %s", n, a.code, a.body)
		}
	}
	if got, _ := list("/v2/team/app/tags/list?n=0"); len(got) != 0 {
		t.Errorf("n=0: %q", got)
	}
	// A repository without tags has a list of none, and no null, of which clients make nothing.
	r.want("without tags", r.ask("GET", "/v2/team/untagged/tags/list", nil), 200, `"tags":[]`)
	r.want("no repository", r.ask("GET", "/v2/team/none/tags/list", nil), 404, "NAME_UNKNOWN")
	if got, next := list("/v2/_catalog?n=1"); !slices.Equal(got, []string{"team/app"}) || next == "" {
		t.Errorf("the catalog: %q, and then %q", got, next)
	}
	if got, next := list("/v2/_catalog?n=5&last=team/untagged"); len(got) != 0 || next != "" {
		t.Errorf("the catalog's end: %q, and then %q", got, next)
	}
}

// TestReportedManifests: what is pushed, named, moved and deleted.
func TestReportedManifests(t *testing.T) {
	r := newReporter(t, config.Config{})
	image := r.image("team/app", "v1", []byte("a layer"))
	path := "/v2/team/app/manifests/"
	got := r.want("by tag", r.ask("GET", path+"v1", nil), 200)
	body := got.body
	// The type and the bytes are those that were pushed, whatever is accepted.
	for _, accept := range []string{"", "*/*", "application/vnd.docker.distribution.manifest.v1+json", "text/html", "application/vnd.docker.distribution.manifest.v2+json, application/json;q=0.5"} {
		a := r.ask("GET", path+"v1", nil, "Accept", accept)
		if a.code != 200 || a.header.Get("Content-Type") != imageType || a.body != body || a.header.Get("Docker-Content-Digest") != image.String() {
			t.Errorf("Accept %q: %d %v", accept, a.code, a.header)
		}
	}
	// A delete of a tag takes that tag, and neither the manifest nor another tag on it.
	r.want("another tag", r.ask("PUT", path+"v2", strings.NewReader(body), "Content-Type", imageType), 201)
	r.want("a tag goes", r.ask("DELETE", path+"v1", nil), 202)
	r.want("it is gone", r.ask("GET", path+"v1", nil), 404, "MANIFEST_UNKNOWN")
	r.want("the other one is not", r.ask("GET", path+"v2", nil), 200)
	r.want("a tag goes twice", r.ask("DELETE", path+"v1", nil), 404)
	// What was deleted can be pushed again at once, with its blobs where they are.
	r.want("the manifest goes", r.ask("DELETE", path+image.String(), nil), 202)
	r.want("with its tags", r.ask("GET", path+"v2", nil), 404)
	r.want("again", r.ask("PUT", path+"v3", strings.NewReader(body), "Content-Type", imageType), 201)
	r.want("it is back", r.ask("GET", path+image.String(), nil), 200)
	// A digest in the path must be that of the bytes.
	r.want("another digest", r.ask("PUT", path+digest.FromString("x").String(), strings.NewReader(body), "Content-Type", imageType), 400, "DIGEST_INVALID")
	r.want("another type", r.ask("PUT", path+"v4", strings.NewReader(body), "Content-Type", indexType), 400, "MANIFEST_INVALID")
	// The same layer twice, and no layer at all, are images.
	r.image("team/app", "twice", []byte("layer"), []byte("layer"))
	r.image("team/app", "none")
	// A layer that is not here is named.
	missing := strings.Replace(body, digest.FromString("a layer").String(), digest.FromString("b layer").String(), 1)
	r.want("a layer is missing", r.ask("PUT", path+"v5", strings.NewReader(missing), "Content-Type", imageType), 400,
		"MANIFEST_BLOB_UNKNOWN", digest.FromString("b layer").String())
	// A blob that a manifest needs is not deleted under it.
	r.want("a blob in use", r.ask("DELETE", "/v2/team/app/blobs/"+digest.FromString("a layer").String(), nil), 409)
	// Referrers of what nobody has are an empty index and no error.
	none := r.want("referrers of nothing", r.ask("GET", "/v2/team/app/referrers/"+digest.FromString("none").String(), nil), 200, `"manifests":[]`)
	if none.header.Get("Content-Type") != indexType {
		t.Errorf("referrers of nothing: %v", none.header)
	}
	// Conditions of clients and proxies, weak ones and lists too.
	for _, match := range []string{`"` + image.String() + `"`, `W/"` + image.String() + `"`, `"x", "` + image.String() + `"`, "*"} {
		if a := r.ask("GET", path+"v3", nil, "If-None-Match", match); a.code != 304 || a.body != "" {
			t.Errorf("If-None-Match %s: %d", match, a.code)
		}
	}
}

// TestReportedCollections: garbage that is none.
func TestReportedCollections(t *testing.T) {
	now := strictyaml.Duration(time.Nanosecond)
	r := newReporter(t, config.Config{GC: config.GC{Lease: now, Grace: now}})
	collect := func() {
		t.Helper()
		for range 2 {
			if _, err := r.s.registry.Collect(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := func(repo string, m digest.Digest) bool {
		a := r.ask("GET", "/v2/"+repo+"/manifests/"+m.String(), nil)
		var doc struct {
			Config struct{ Digest string }
			Layers []struct{ Digest string }
		}
		if json.Unmarshal([]byte(a.body), &doc) != nil || a.code != 200 {
			return false
		}
		for _, l := range append(doc.Layers, doc.Config) {
			if r.ask("GET", "/v2/"+repo+"/blobs/"+l.Digest, nil).code != 200 {
				return false
			}
		}
		return true
	}
	// With no lease a push must not be collected in its middle; the collector is asked only here.
	shared := distributiontest.Bytes(5, 2000)
	amd, arm := r.image("team/app", "", shared, []byte("amd")), r.image("team/app", "", shared, []byte("arm"))
	index := r.index("team/app", "multi", amd, arm)
	old := r.image("team/app", "moved", shared, []byte("old"))
	moved := r.image("team/app", "moved", shared, []byte("new"))
	elsewhere := r.image("team/other", "v1", shared)
	collect()
	// distribution/distribution 3178, 4461, 2914: manifests of an index have no tags and stay.
	// 4939: a layer stays as long as one of those who share it.
	for _, m := range []digest.Digest{amd, arm, old, moved} {
		if !whole("team/app", m) {
			t.Errorf("%s is not whole", m)
		}
	}
	// A manifest in an index is not deleted under it; with the index it may go.
	r.want("a manifest in an index", r.ask("DELETE", "/v2/team/app/manifests/"+amd.String(), nil), 409)
	r.want("the index", r.ask("DELETE", "/v2/team/app/manifests/"+index.String(), nil), 202)
	r.want("then the manifest", r.ask("DELETE", "/v2/team/app/manifests/"+amd.String(), nil), 202)
	collect()
	if whole("team/app", amd) || !whole("team/app", arm) || !whole("team/app", moved) || !whole("team/other", elsewhere) {
		t.Error("something else went with it, or it did not go")
	}
	if a := r.ask("GET", "/v2/team/app/blobs/"+digest.FromString("amd").String(), nil); a.code != 404 {
		t.Errorf("its own layer stays: %d", a.code)
	}
	// distribution/distribution 1600, 2212: what a tag named before can be deleted, and its room is given back.
	r.want("what the tag named before", r.ask("DELETE", "/v2/team/app/manifests/"+old.String(), nil), 202)
	collect()
	if a := r.ask("HEAD", "/v2/team/app/blobs/"+digest.FromString("old").String(), nil); a.code != 404 || !whole("team/app", moved) {
		t.Errorf("its layer: %d", a.code)
	}
	// What was collected can be pushed again, whatever was remembered of it.
	if again := r.image("team/app", "again", shared, []byte("amd")); again != amd || !whole("team/app", amd) {
		t.Error("pushed again, it is not whole")
	}
}
