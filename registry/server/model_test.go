package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
	"cove/registry/server/config"
)

var (
	modelSteps = flag.Int("model-steps", 2000, "questions that the registry is asked beside its model")
	modelSeed  = flag.Uint64("model-seed", 0, "what the questions are made of; 0 is another one each time")
)

// repoModel is what a repository must have.
type repoModel struct {
	blobs, manifests map[digest.Digest]bool
	tags             map[string]digest.Digest
}

// document is a manifest of the pool.
type document struct {
	body, kind string
	dgst       digest.Digest
	needs      []digest.Digest
}

// openUpload is an upload that has not ended.
type openUpload struct {
	repo, at string
	bytes    []byte
}

// model asks a registry at random and knows each answer.
type model struct {
	*reporter
	rnd       *rand.Rand
	repos     map[string]*repoModel
	blobs     map[digest.Digest][]byte
	digests   []digest.Digest
	documents []document
	sessions  []*openUpload
	asked     map[string]int
	last      []string // what was asked
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		reporter: newReporter(t, config.Config{}), rnd: rand.New(rand.NewPCG(seed, 19)),
		repos: map[string]*repoModel{}, blobs: map[digest.Digest][]byte{}, asked: map[string]int{},
	}
	for _, name := range []string{"library/one", "library/two", "library/three/deep"} {
		m.repos[name] = &repoModel{map[digest.Digest]bool{}, map[digest.Digest]bool{}, map[string]digest.Digest{}}
	}
	for i := range 8 {
		b := distributiontest.Bytes(uint64(i), 1+i*700)
		m.blobs[digest.FromBytes(b)] = b
	}
	m.digests = slices.Sorted(maps.Keys(m.blobs))
	for i := range 12 {
		needs := []digest.Digest{m.digests[i%8], m.digests[(i*3+1)%8]}
		m.documents = append(m.documents, newDocument(imageType, fmt.Sprintf(
			`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s],"annotations":{"n":"%d"}}`, imageType,
			m.describe("application/vnd.oci.image.config.v1+json", needs[0]),
			m.describe("application/vnd.oci.image.layer.v1.tar", needs[1]), i), needs))
	}
	for i := range 4 {
		one, two := m.documents[i*3], m.documents[i*3+1]
		m.documents = append(m.documents, newDocument(indexType, fmt.Sprintf(
			`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d},{"mediaType":%q,"digest":%q,"size":%d}]}`,
			indexType, imageType, one.dgst, len(one.body), imageType, two.dgst, len(two.body)), []digest.Digest{one.dgst, two.dgst}))
	}
	return m
}

func newDocument(kind, body string, needs []digest.Digest) document {
	return document{body, kind, digest.FromString(body), needs}
}

func (m *model) describe(kind string, dgst digest.Digest) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, kind, dgst, len(m.blobs[dgst]))
}

// expect asks, and holds the status against those that are right.
func (m *model) expect(what, method, path string, body []byte, codes []int, header ...string) answer {
	m.t.Helper()
	m.last = append(m.last, what+": "+method+" "+path)
	m.asked[what]++
	a := m.ask(method, path, bytes.NewReader(body), header...)
	if !slices.Contains(codes, a.code) {
		m.t.Fatalf("%s %s: %d %s, want %d; before it:\n%s", method, path, a.code, a.body, codes,
			strings.Join(m.last[max(0, len(m.last)-40):], "\n"))
	}
	return a
}

func status(yes bool, there, absent int) []int {
	if yes {
		return []int{there}
	}
	return []int{absent}
}

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// refused are the answers to what would break something.
var refused = []int{400, 404, 405, 409}

// TestAPIAgainstAModel asks the protocol at random, collecting in between, and knows each
// answer: what was pushed is there, what was deleted is not, and what refers to something
// keeps it.
func TestAPIAgainstAModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-model-seed=%d", seed)
	m := newModel(t, seed)
	names := slices.Sorted(maps.Keys(m.repos))
	steps := []func(name string, r *repoModel){
		m.pushBlob, m.pushBlob, m.mount, m.readBlob, m.readBlob, m.deleteBlob, m.pushDocument, m.pushDocument,
		m.readDocument, m.readDocument, m.deleteTag, m.deleteDocument, m.list, m.beginUpload, m.onUpload, m.onUpload,
		m.onUpload, m.collect,
	}
	for range *modelSteps {
		name := pick(m.rnd, names)
		pick(m.rnd, steps)(name, m.repos[name])
	}
	for _, name := range names { // and all of it at the end
		m.list(name, m.repos[name])
		for _, d := range m.documents {
			m.expect("the end", "GET", "/v2/"+name+"/manifests/"+d.dgst.String(), nil, status(m.repos[name].manifests[d.dgst], 200, 404))
		}
		for _, dgst := range m.digests {
			m.expect("the end", "HEAD", "/v2/"+name+"/blobs/"+dgst.String(), nil, status(m.repos[name].blobs[dgst], 200, 404))
		}
	}
	t.Logf("%d questions, 0 wrong answers: %v", len(m.last), m.asked)
}

func (m *model) pushBlob(name string, r *repoModel) {
	dgst := pick(m.rnd, m.digests)
	m.expect("push", "POST", "/v2/"+name+"/blobs/uploads/?digest="+dgst.String(), m.blobs[dgst], []int{201})
	r.blobs[dgst] = true
}

func (m *model) mount(name string, r *repoModel) {
	dgst, from := pick(m.rnd, m.digests), pick(m.rnd, slices.Sorted(maps.Keys(m.repos)))
	a := m.expect("mount", "POST", "/v2/"+name+"/blobs/uploads/?mount="+dgst.String()+"&from="+from, nil,
		status(m.repos[from].blobs[dgst], 201, 202))
	if a.code == 202 {
		m.sessions = append(m.sessions, &openUpload{repo: name, at: a.location()})
		return
	}
	r.blobs[dgst] = true
}

func (m *model) readBlob(name string, r *repoModel) {
	dgst := pick(m.rnd, m.digests)
	b, path := m.blobs[dgst], "/v2/"+name+"/blobs/"+dgst.String()
	if from := m.rnd.IntN(len(b)); m.rnd.IntN(2) == 0 {
		a := m.expect("range", "GET", path, nil, status(r.blobs[dgst], 206, 404), "Range", fmt.Sprintf("bytes=%d-", from))
		if a.code == 206 && a.body != string(b[from:]) {
			m.t.Fatalf("%s from %d on: %d bytes", path, from, len(a.body))
		}
		return
	}
	if a := m.expect("blob", "GET", path, nil, status(r.blobs[dgst], 200, 404)); a.code == 200 && a.body != string(b) {
		m.t.Fatalf("%s: %d bytes", path, len(a.body))
	}
}

// neededBy says whether a document of a repository needs something.
func (m *model) neededBy(r *repoModel, dgst digest.Digest) bool {
	return slices.ContainsFunc(m.documents, func(d document) bool { return r.manifests[d.dgst] && slices.Contains(d.needs, dgst) })
}

func (m *model) deleteBlob(name string, r *repoModel) {
	dgst := pick(m.rnd, m.digests)
	want := status(r.blobs[dgst], 202, 404)
	if m.neededBy(r, dgst) {
		want = refused
	}
	if m.expect("delete a blob", "DELETE", "/v2/"+name+"/blobs/"+dgst.String(), nil, want).code == 202 {
		delete(r.blobs, dgst)
	}
}

func (m *model) pushDocument(name string, r *repoModel) {
	d, ref := pick(m.rnd, m.documents), ""
	if m.rnd.IntN(3) > 0 {
		ref = fmt.Sprintf("v%d", m.rnd.IntN(4))
	}
	whole := !slices.ContainsFunc(d.needs, func(dgst digest.Digest) bool { return !r.blobs[dgst] && !r.manifests[dgst] })
	want := []int{201}
	if !whole {
		want = refused
	}
	path := "/v2/" + name + "/manifests/" + ref
	if ref == "" {
		path += d.dgst.String()
	}
	if a := m.expect("manifest", "PUT", path, []byte(d.body), want, "Content-Type", d.kind); a.code == 201 {
		if r.manifests[d.dgst] = true; ref != "" {
			r.tags[ref] = d.dgst
		}
	}
}

func (m *model) readDocument(name string, r *repoModel) {
	d, ref := pick(m.rnd, m.documents), fmt.Sprintf("v%d", m.rnd.IntN(4))
	want := r.tags[ref]
	if m.rnd.IntN(2) == 0 {
		ref = d.dgst.String()
		if want = ""; r.manifests[d.dgst] {
			want = d.dgst
		}
	}
	a := m.expect("read a manifest", pick(m.rnd, []string{"GET", "HEAD"}), "/v2/"+name+"/manifests/"+ref, nil, status(want != "", 200, 404))
	if a.code == 200 && (a.header.Get("Docker-Content-Digest") != want.String() || a.body != "" && digest.FromString(a.body) != want) {
		m.t.Fatalf("%s %s is %v %s, want %s", name, ref, a.header, a.body, want)
	}
}

func (m *model) deleteTag(name string, r *repoModel) {
	ref := fmt.Sprintf("v%d", m.rnd.IntN(4))
	m.expect("delete a tag", "DELETE", "/v2/"+name+"/manifests/"+ref, nil, status(r.tags[ref] != "", 202, 404))
	delete(r.tags, ref)
}

func (m *model) deleteDocument(name string, r *repoModel) {
	d := pick(m.rnd, m.documents)
	want := status(r.manifests[d.dgst], 202, 404)
	if r.manifests[d.dgst] && m.neededBy(r, d.dgst) {
		want = refused
	}
	if m.expect("delete a manifest", "DELETE", "/v2/"+name+"/manifests/"+d.dgst.String(), nil, want).code == 202 {
		delete(r.manifests, d.dgst)
		maps.DeleteFunc(r.tags, func(_ string, of digest.Digest) bool { return of == d.dgst })
	}
}

func (m *model) list(name string, r *repoModel) {
	a := m.expect("list", "GET", "/v2/"+name+"/tags/list", nil, []int{200, 404})
	var page struct{ Tags []string }
	if err := json.Unmarshal([]byte(a.body), &page); a.code == 200 && err != nil {
		m.t.Fatal(err)
	}
	if want := slices.Sorted(maps.Keys(r.tags)); !slices.Equal(page.Tags, want) {
		m.t.Fatalf("tags of %s: %d %s, want %q", name, a.code, a.body, want)
	}
}

func (m *model) beginUpload(name string, _ *repoModel) {
	a := m.expect("begin", "POST", "/v2/"+name+"/blobs/uploads/", nil, []int{202})
	m.sessions = append(m.sessions, &openUpload{repo: name, at: a.location()})
}

// onUpload does something to one that is open.
func (m *model) onUpload(string, *repoModel) {
	if len(m.sessions) == 0 {
		return
	}
	i := m.rnd.IntN(len(m.sessions))
	s := m.sessions[i]
	end := func() { m.sessions = slices.Delete(m.sessions, i, i+1) }
	switch m.rnd.IntN(6) {
	case 0:
		m.expect("cancel", "DELETE", s.at, nil, []int{204})
		m.expect("canceled", "GET", s.at, nil, []int{404})
		end()
	case 1:
		wrong := len(s.bytes) + 1 + m.rnd.IntN(9)
		m.expect("a hole", "PATCH", s.at, []byte("x"), []int{416}, "Content-Range", fmt.Sprintf("%d-%d", wrong, wrong))
	case 2:
		a := m.expect("how far", "GET", s.at, nil, []int{204})
		if n := len(s.bytes); n > 1 && a.header.Get("Range") != fmt.Sprintf("0-%d", n-1) {
			m.t.Fatalf("%s is at %q, want %d bytes", s.at, a.header.Get("Range"), n)
		}
	case 3: // the rest of a blob, or of none
		dgst := pick(m.rnd, m.digests)
		rest, fits := bytes.CutPrefix(m.blobs[dgst], s.bytes)
		m.expect("end", "PUT", s.at+"?digest="+dgst.String(), rest, status(fits, 201, 400))
		if end(); fits {
			m.repos[s.repo].blobs[dgst] = true
		}
	default:
		dgst := pick(m.rnd, m.digests)
		rest, fits := bytes.CutPrefix(m.blobs[dgst], s.bytes)
		if !fits || len(rest) == 0 {
			return
		}
		some := rest[:1+m.rnd.IntN(len(rest))]
		m.expect("chunk", "PATCH", s.at, some, []int{202}, "Content-Range",
			fmt.Sprintf("%d-%d", len(s.bytes), len(s.bytes)+len(some)-1))
		s.bytes = append(s.bytes, some...)
	}
}

func (m *model) collect(string, *repoModel) {
	m.asked["collect"]++
	if _, err := m.s.registry.Collect(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}
