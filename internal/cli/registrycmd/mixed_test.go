package registrycmd

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/distribution/distributiontest"
	"cove/registry/metadata/metadatatest"
)

var (
	mixedFor     = flag.Duration("mixed-for", 5*time.Second, "how long each registry bears the mixed load")
	mixedClients = flag.Int("mixed-clients", 3, "how many clients push and change, and as many pull")
	mixedSize    = flag.Int("mixed-size", 32<<10, "bytes of the usual layer; others are 10 and 100 times as long")
	mixedPause   = flag.Duration("mixed-pause", time.Second, "the mean time between two ends of a server")
	mixedSeed    = flag.Uint64("mixed-seed", 8, "of all that is random")
	mixedLease   = flag.Duration("mixed-lease", 6*time.Second, "how long what no manifest needs, and an upload, is kept")
)

// TestMixedLoad has clients push, pull, mount, delete, move tags and list, while garbage
// is collected each second and servers are killed or stopped at any moment. What they were
// told is in a ledger of their own, with which each answer is compared, and everything at
// the end: T08.
func TestMixedLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		postgres, bucket bool
		servers          int
	}{
		"SQLite and a folder":             {false, false, 1},
		"SQLite and a bucket":             {false, true, 1},
		"PostgreSQL and a folder":         {true, false, 1},
		"two, of PostgreSQL and a bucket": {true, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMixed(t, c.postgres, c.bucket, c.servers)
			m.run()
			m.compare()
			m.reclaimed()
			m.checked()
			m.log()
		})
	}
}

// mixed is a registry of one or more servers under load.
type mixed struct {
	t      *testing.T
	book   *book
	shared [][]byte // layers that many images have
	root   []string
	config string
	bucket *objects.Bucket // nil with a folder

	servers []atomic.Pointer[process]
	ended   atomic.Bool // the clients come to an end
	over    atomic.Bool // the test has: nobody answers any more

	mu      sync.Mutex
	outages []outage
	peak    int // kB
	slowest time.Duration

	kills, stops                                      int
	pushes, pulls, mounts, moves, deletes, lists      atomic.Int64
	blobs, abandoned, unknown, refused, wrong, unmade atomic.Int64
}

// outage is when a server was not there, or on its way out.
type outage struct{ from, to time.Time }

func newMixed(t *testing.T, postgres, bucket bool, servers int) *mixed {
	t.Helper()
	m := &mixed{t: t, book: newBook(), servers: make([]atomic.Pointer[process], servers)}
	text := fmt.Sprintf("tls: {off: true}\nlog: {level: error}\ngc: {interval: 1s, lease: %s, grace: 1s, uploads: %s}\n",
		*mixedLease, *mixedLease)
	if postgres {
		text += fmt.Sprintf("database: %q\n", metadatatest.Postgres(t).New(t))
	}
	if bucket {
		place := s3test.Start(t).Config()
		text += fmt.Sprintf("storage:\n  s3: {endpoint: %q, bucket: %q, prefix: %q, credentials: %q, ca: %q}\n",
			place.Endpoint, place.Bucket, place.Prefix, place.Credentials, place.CA)
		var err error
		if m.bucket, err = objects.Connect(t.Context(), place); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.bucket.Close() })
	}
	m.config = filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		m.shared = append(m.shared, distributiontest.Bytes(*mixedSeed<<40|uint64(n), *mixedSize))
	}
	for i := range m.servers {
		m.root = append(m.root, t.TempDir())
		m.start(i)
	}
	m.slowest = 0 // the first starts make the tables
	return m
}

func (m *mixed) start(i int) {
	m.t.Helper()
	p := serve(m.t, m.root[i], "--config", m.config, "--tls=off")
	m.slowest = max(m.slowest, p.took)
	m.servers[i].Store(p)
}

// end has a server end, by a kill or in order, and starts it again.
func (m *mixed) end(i int, kill bool) {
	m.t.Helper()
	p := m.servers[i].Load()
	m.peak = max(m.peak, statusOf(m.t, p.cmd.Process.Pid, "VmHWM"))
	m.mu.Lock()
	m.outages = append(m.outages, outage{from: time.Now()})
	m.mu.Unlock()
	if kill {
		m.kills++
		p.Kill()
	} else {
		m.stops++
		p.Stop()
	}
	m.servers[i].Store(nil)
	m.start(i)
	m.mu.Lock()
	m.outages[len(m.outages)-1].to = time.Now()
	m.mu.Unlock()
}

// out says whether a server was on its way out, or gone, at any time since then.
func (m *mixed) out(since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.outages {
		if o.to.IsZero() || o.to.After(since) {
			return true
		}
	}
	return false
}

// run has the clients work, and servers end.
func (m *mixed) run() {
	m.t.Helper()
	var all sync.WaitGroup
	defer func() { // also when a server does not start
		m.over.Store(true)
		m.ended.Store(true)
		all.Wait()
		m.over.Store(false)
	}()
	for n := range *mixedClients {
		w := &mixedWriter{mixed: m, rng: m.rng(n), name: mixedRepo(n), own: map[string]*mixedImage{}}
		all.Go(w.run)
		r := &mixedReader{mixed: m, rng: m.rng(1000 + n)}
		all.Go(r.run)
	}
	rng := m.rng(-1)
	// On a busy machine a minute may be needed for something of each kind.
	for end := time.Now().Add(*mixedFor); time.Now().Before(end) || !m.worked() && time.Now().Before(end.Add(time.Minute)); {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * *mixedPause))))
		m.end(rng.IntN(len(m.servers)), rng.IntN(4) > 0)
	}
	m.ended.Store(true)
	all.Wait()
}

// worked says that something of each kind was done.
func (m *mixed) worked() bool {
	return m.pushes.Load() > 0 && m.pulls.Load() > 0 && m.deletes.Load() > 0 && m.kills+m.stops > 0
}

func (m *mixed) rng(n int) *rand.Rand { return rand.New(rand.NewPCG(*mixedSeed, uint64(n))) }

// ask sends a request to any server that is there. status 0 says that nobody knows what
// became of it: the line broke, or a server that ends said 503.
func (m *mixed) ask(rng *rand.Rand, method, path string, body []byte, header ...string) (int, http.Header, []byte) {
	begun := time.Now()
	var p *process
	for p == nil {
		if m.over.Load() {
			return 0, nil, nil
		}
		if p = m.servers[rng.IntN(len(m.servers))].Load(); p == nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
	status, got, answer := p.do(method, path, body, header...)
	switch {
	case status == 0 && m.out(begun):
	case status == http.StatusServiceUnavailable && m.out(begun):
		m.refused.Add(1)
		return 0, nil, nil
	case status == 0, status >= 500:
		m.wrong.Add(1)
		m.t.Errorf("%s %s: %d %s, and no server has ended", method, path, status, answer)
	default:
		return status, got, answer
	}
	m.unknown.Add(1)
	time.Sleep(5 * time.Millisecond) // who is refused does not come again at once
	return 0, nil, nil
}

// read reads a name as it is now; "" is nothing. ok is false when nobody knows.
func (m *mixed) read(rng *rand.Rand, name string) (value string, body []byte, ok bool) {
	status, _, body := m.ask(rng, http.MethodGet, mixedPath(name), nil)
	switch status {
	case 0:
		return "", nil, false
	case http.StatusOK:
		return digest.FromBytes(body).String(), body, true
	case http.StatusNotFound:
		return "", nil, true
	}
	m.differs("%s: %d %s", name, status, body)
	return "", nil, false
}

// mixedTags is how many tags each repository has at most.
const mixedTags = 6

func mixedRepo(n int) string { return fmt.Sprintf("mixed/w%03d", n) }

func mixedTag(n int) string { return fmt.Sprintf("t%d", n) }

// mixedPath is where a name of the book is read.
func mixedPath(name string) string {
	if repo, dgst, ok := strings.Cut(name, "@"); ok {
		return "/v2/" + repo + "/manifests/" + dgst
	}
	repo, tag, _ := strings.Cut(name, ":")
	return "/v2/" + repo + "/manifests/" + tag
}

// differs counts a difference between the registry and the ledger.
func (m *mixed) differs(format string, args ...any) {
	m.wrong.Add(1)
	m.t.Errorf("a difference: "+format, args...)
}

// mixedWriter pushes images into a repository of its own, and changes what is there.
type mixedWriter struct {
	*mixed
	rng  *rand.Rand
	name string
	own  map[string]*mixedImage // by digest
}

type mixedImage struct {
	dgst string
	body []byte
}

func (w *mixedWriter) run() {
	for !w.ended.Load() {
		w.settle()
		switch n := w.rng.IntN(100); {
		case n < 55 || len(w.own) < 2:
			w.push()
		case n < 72:
			w.move()
		case n < 82:
			w.deleteTag()
		case n < 97:
			w.deleteManifest()
		default:
			w.abandon()
		}
	}
	w.settle()
}

// settle finds out what became of that of which nobody knew.
func (w *mixedWriter) settle() {
	for _, name := range w.book.pending(w.name) {
		for {
			value, _, ok := w.read(w.rng, name)
			if !ok {
				if w.over.Load() {
					return
				}
				time.Sleep(10 * time.Millisecond)
				continue
			}
			if !w.book.settle(name, value) {
				w.differs("after a kill %s is %q", name, value)
				w.book.end(false, name)
			}
			if _, dgst, isManifest := strings.Cut(name, "@"); isManifest && value == "" {
				delete(w.own, dgst)
			}
			break
		}
	}
}

// change asks for names to hold a value; the answer must be want, or other.
func (w *mixedWriter) change(
	value string, names []string, want, other int, ask func() (int, http.Header, []byte),
) (happened bool) {
	w.book.begin(value, names...)
	status, _, body := ask()
	switch status {
	case 0: // settle finds out
		return false
	case want:
		w.book.end(true, names...)
		return true
	case other:
	default:
		w.differs("%s of %v: %d %s", value, names, status, body)
	}
	w.book.end(false, names...)
	return false
}

// layer is one of a new image: three of ten are of those that all have.
func (w *mixedWriter) layer() []byte {
	if w.rng.IntN(10) < 3 {
		return w.shared[w.rng.IntN(len(w.shared))]
	}
	size := *mixedSize
	switch n := w.rng.IntN(100); {
	case n < 5:
		size *= 100
	case n < 30:
		size *= 10
	}
	return distributiontest.Bytes(w.rng.Uint64(), size)
}

func (w *mixedWriter) push() {
	layer, config := w.layer(), distributiontest.Bytes(w.rng.Uint64(), 300)
	blobs := map[string]int{digest.FromBytes(config).String(): len(config), digest.FromBytes(layer).String(): len(layer)}
	since := time.Now()
	if !w.blob(layer) || !w.blob(config) {
		return
	}
	body := manifestOf(digest.FromBytes(config).String(), digest.FromBytes(layer).String(), len(config), len(layer))
	img := &mixedImage{digest.FromBytes(body).String(), body}
	w.book.made(img.dgst, len(body), blobs)
	w.own[img.dgst] = img
	w.tag(img, since)
	w.pushes.Add(1)
}

// tag puts a manifest under one of the writer's tags. All that it needs was acknowledged
// since then, and is there unless the leases have run out.
func (w *mixedWriter) tag(img *mixedImage, since time.Time) {
	tag := mixedTag(w.rng.IntN(mixedTags))
	path := "/v2/" + w.name + "/manifests/" + tag
	w.change(img.dgst, []string{w.name + ":" + tag, w.name + "@" + img.dgst}, http.StatusCreated, http.StatusBadRequest,
		func() (int, http.Header, []byte) {
			status, header, answer := w.ask(w.rng, http.MethodPut, path, img.body, "Content-Type", manifestType)
			if status == http.StatusBadRequest && time.Since(since) < *mixedLease/2 {
				w.differs("manifest of blobs that were acknowledged: %s", answer)
			}
			return status, header, answer
		})
}

// blob has the registry have a blob in the writer's repository, by any of the ways there
// are, and says whether it said so.
func (w *mixedWriter) blob(b []byte) bool {
	dgst := digest.FromBytes(b).String()
	status, _, _ := w.ask(w.rng, http.MethodHead, "/v2/"+w.name+"/blobs/"+dgst, nil)
	if status == 0 || status == http.StatusOK {
		return status == http.StatusOK
	}
	uploads, begun := "/v2/"+w.name+"/blobs/uploads/", time.Now()
	var header http.Header
	var answer []byte
	mount := 2 // of ten
	if slices.ContainsFunc(w.shared, func(s []byte) bool { return &s[0] == &b[0] }) {
		mount = 7
	}
	switch n := w.rng.IntN(10); {
	case n < mount:
		from := mixedRepo(w.rng.IntN(*mixedClients))
		if status, header, answer = w.ask(w.rng, http.MethodPost, uploads+"?mount="+dgst+"&from="+from, nil); status == 201 {
			w.mounts.Add(1)
			return w.there(dgst)
		}
		if status == http.StatusAccepted {
			status, _, answer = w.ask(w.rng, http.MethodPut, header.Get("Location")+"?digest="+dgst, b)
		}
	case n == 7:
		status, answer = w.chunks(uploads, dgst, b)
	default:
		status, _, answer = w.ask(w.rng, http.MethodPost, uploads+"?digest="+dgst, b)
	}
	if status != http.StatusCreated {
		expired := status == http.StatusNotFound && time.Since(begun) > *mixedLease/2
		if status != 0 && !expired {
			w.differs("blob: %d %s", status, answer)
		}
		return false
	}
	w.blobs.Add(1)
	return w.there(dgst)
}

// there asks for what was just acknowledged.
func (w *mixedWriter) there(dgst string) bool {
	begun := time.Now()
	status, _, _ := w.ask(w.rng, http.MethodHead, "/v2/"+w.name+"/blobs/"+dgst, nil)
	if status != http.StatusOK && status != 0 && time.Since(begun) < *mixedLease/2 {
		w.differs("blob %s was acknowledged: %d", dgst, status)
	}
	return status == http.StatusOK
}

// chunks goes on where the registry says that the upload is, also after a kill.
func (w *mixedWriter) chunks(uploads, dgst string, b []byte) (int, []byte) {
	status, header, answer := w.ask(w.rng, http.MethodPost, uploads, nil)
	if status != http.StatusAccepted {
		return status, answer
	}
	upload := header.Get("Location")
	for at, tries := 0, 0; at < len(b) && tries < 20; tries++ {
		end := min(at+len(b)/3+1, len(b))
		status, header, _ = w.ask(w.rng, http.MethodPatch, upload, b[at:end], "Content-Range", fmt.Sprintf("%d-%d", at, end-1))
		if status != http.StatusAccepted {
			if status, header, _ = w.ask(w.rng, http.MethodGet, upload, nil); status != http.StatusNoContent {
				if status == http.StatusNotFound {
					status = 0 // the one row that a power cut, and here a kill, may take
				}
				time.Sleep(20 * time.Millisecond)
				if status == 0 && tries < 10 {
					continue
				}
				return 0, nil
			}
		}
		_, last, _ := strings.Cut(header.Get("Range"), "-")
		n, err := strconv.Atoi(last)
		if err != nil {
			return 0, nil
		}
		if at = n + 1; n == 0 {
			at = 0 // what an upload without bytes says
		}
	}
	status, _, answer = w.ask(w.rng, http.MethodPut, upload+"?digest="+dgst, nil)
	if status == http.StatusNotFound {
		status = 0 // it was over before the kill, or expired
	}
	return status, answer
}

// abandon begins an upload that nobody ends.
func (w *mixedWriter) abandon() {
	status, header, _ := w.ask(w.rng, http.MethodPost, "/v2/"+w.name+"/blobs/uploads/", nil)
	if status == http.StatusAccepted {
		w.ask(w.rng, http.MethodPatch, header.Get("Location"), distributiontest.Bytes(w.rng.Uint64(), *mixedSize))
		w.abandoned.Add(1)
	}
}

// some is one of the writer's manifests that are there.
func (w *mixedWriter) some() *mixedImage {
	for dgst, img := range w.own { // in any order
		if w.book.now(w.name+"@"+dgst) == dgst {
			return img
		}
	}
	return nil
}

func (w *mixedWriter) move() {
	if img := w.some(); img != nil {
		w.tag(img, time.Now())
		w.moves.Add(1)
	}
}

func (w *mixedWriter) deleteTag() {
	name := w.name + ":" + mixedTag(w.rng.IntN(mixedTags))
	if w.book.now(name) == "" {
		return
	}
	w.change("", []string{name}, http.StatusAccepted, 0, func() (int, http.Header, []byte) {
		return w.ask(w.rng, http.MethodDelete, mixedPath(name), nil)
	})
	w.deletes.Add(1)
}

func (w *mixedWriter) deleteManifest() {
	img := w.some()
	if img == nil {
		return
	}
	names := []string{w.name + "@" + img.dgst}
	for n := range mixedTags {
		if name := w.name + ":" + mixedTag(n); w.book.now(name) == img.dgst {
			names = append(names, name)
		}
	}
	happened := w.change("", names, http.StatusAccepted, 0, func() (int, http.Header, []byte) {
		return w.ask(w.rng, http.MethodDelete, mixedPath(names[0]), nil)
	})
	if happened {
		delete(w.own, img.dgst)
	}
	w.deletes.Add(1)
}

// mixedReader pulls images, hashes them, and lists tags.
type mixedReader struct {
	*mixed
	rng *rand.Rand
}

func (r *mixedReader) run() {
	for !r.ended.Load() {
		if r.rng.IntN(5) == 0 {
			r.list()
			continue
		}
		r.pull(mixedRepo(r.rng.IntN(*mixedClients)) + ":" + mixedTag(r.rng.IntN(mixedTags)))
	}
}

func (r *mixedReader) pull(name string) {
	begun := time.Now()
	value, _, ok := r.read(r.rng, name)
	if !ok {
		return
	}
	if may := r.book.possible(name, begun, time.Now()); !slices.Contains(may, value) {
		r.differs("%s is read as %q, and may be %q", name, value, may)
		return
	}
	repo, _, _ := strings.Cut(name, ":")
	for _, blob := range r.book.blobsOf(value) {
		status, _, body := r.ask(r.rng, http.MethodGet, "/v2/"+repo+"/blobs/"+blob, nil)
		switch {
		case status == 0:
			return
		case status == http.StatusOK && digest.FromBytes(body).String() == blob:
		case status == http.StatusOK:
			r.differs("blob %s of %s: %d other bytes", blob, name, len(body))
		case r.book.certain(repo+"@"+value, value, begun, time.Now()):
			r.differs("blob %s of %s, which has manifest %s: %d", blob, name, value, status)
		default:
			r.unmade.Add(1) // its manifest was deleted meanwhile
			return
		}
	}
	if value != "" {
		r.pulls.Add(1)
	}
}

// list compares the tags of a repository.
func (r *mixedReader) list() {
	repo := mixedRepo(r.rng.IntN(*mixedClients))
	begun := time.Now()
	status, _, body := r.ask(r.rng, http.MethodGet, "/v2/"+repo+"/tags/list", nil)
	if status == 0 {
		return
	}
	over := time.Now()
	var got struct{ Tags []string }
	if err := json.Unmarshal(body, &got); err != nil && status == http.StatusOK {
		r.differs("tags of %s: %s", repo, body)
	}
	for n := range mixedTags {
		tag := mixedTag(n)
		may := r.book.possible(repo+":"+tag, begun, over)
		listed := slices.Contains(got.Tags, tag)
		if listed && !slices.ContainsFunc(may, func(v string) bool { return v != "" }) || !listed && !slices.Contains(may, "") {
			r.differs("tag %s of %s is listed: %v, and may be %q", tag, repo, listed, may)
		}
	}
	r.lists.Add(1)
}

// compare reads everything that the ledger has, at each server.
func (m *mixed) compare() {
	m.t.Helper()
	rng := m.rng(-2)
	for name, want := range m.book.last() {
		for i := range m.servers {
			status, _, body := m.servers[i].Load().do(http.MethodGet, mixedPath(name), nil)
			got := ""
			if status == http.StatusOK {
				got = digest.FromBytes(body).String()
			}
			if got != want || status != http.StatusOK && status != http.StatusNotFound {
				m.differs("at the end %s is %q (%d), want %q", name, got, status, want)
			}
		}
		if repo, dgst, ok := strings.Cut(name, "@"); ok && want != "" {
			for _, blob := range m.book.blobsOf(dgst) {
				if status, _, body := m.ask(rng, http.MethodGet, "/v2/"+repo+"/blobs/"+blob, nil); digest.FromBytes(body).String() != blob {
					m.differs("at the end blob %s of %s: %d, %d bytes", blob, name, status, len(body))
				}
			}
		}
	}
}

// reclaimed waits until the storage has hardly more than what is needed.
func (m *mixed) reclaimed() {
	m.t.Helper()
	live := m.book.live()
	// Whole manifests and files of no use but to a disk come to some kilobytes.
	most := live + live/10 + 64<<10
	stored := int64(0)
	for end := time.Now().Add(2**mixedLease + 20*time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if stored = m.stored(); stored <= most {
			break
		}
	}
	m.t.Logf("%d bytes are live, %d stored", live, stored)
	if stored > most {
		m.differs("%d bytes are stored, of which %d are live", stored, live)
	}
	if stored < live {
		m.differs("%d bytes are stored, and %d are needed", stored, live)
	}
}

// stored is how many bytes the storage has of blobs and unfinished writes.
func (m *mixed) stored() (total int64) {
	if m.bucket != nil {
		for _, prefix := range []string{"blobs/", "writes/"} {
			for o, err := range m.bucket.List(m.t.Context(), prefix) {
				if err != nil {
					m.t.Fatal(err)
				}
				total += o.Size
			}
		}
		return total
	}
	for _, dir := range []string{"blobs", "ingest"} {
		_ = filepath.WalkDir(filepath.Join(m.root[0], "content", dir), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				if info, err := e.Info(); err == nil { // else it was collected just now
					total += info.Size()
				}
			}
			return nil
		})
	}
	return total
}

var metricLine = regexp.MustCompile(`(?m)^(go_goroutines|process_open_fds) ([0-9.e+]+)$`)

// checked stops the servers in order, after a look at what they still hold, and has fsck
// read all of it.
func (m *mixed) checked() {
	m.t.Helper()
	for i := range m.servers {
		p := m.servers[i].Load()
		p.client.CloseIdleConnections()
		time.Sleep(200 * time.Millisecond)
		_, _, metrics := p.do(http.MethodGet, "/metrics", nil)
		for _, found := range metricLine.FindAllSubmatch(metrics, -1) {
			n, err := strconv.ParseFloat(string(found[2]), 64)
			if err != nil || n > 200 {
				m.differs("%s of an idle server is %s", found[1], found[2])
			}
			m.t.Logf("server %d, idle: %s %s", i, found[1], found[2])
		}
		m.peak = max(m.peak, statusOf(m.t, p.cmd.Process.Pid, "VmHWM"))
		p.Stop()
	}
	out, errs, err := run(m.t, "", "fsck", "--root", m.root[0], "--config", m.config)
	if err != nil || !strings.Contains(out+errs, "0 lost or damaged") {
		m.differs("fsck: %v\n%s%s", err, out, errs)
	}
}

func (m *mixed) log() {
	m.t.Helper()
	m.t.Logf("seed %d, %v, %d+%d clients: %d kills and %d stops (slowest restart %v); %d images pushed (%d blobs, %d mounts, "+
		"%d abandoned), %d tags moved, %d deletes, %d pulled, %d times listed; %d requests of unknown outcome, "+
		"%d of them refused, %d pulls of what was deleted meanwhile; %d names compared at the end; "+
		"%d differences; %d kB resident at most",
		*mixedSeed, *mixedFor, *mixedClients, *mixedClients, m.kills, m.stops, m.slowest.Round(time.Millisecond),
		m.pushes.Load(), m.blobs.Load(), m.mounts.Load(), m.abandoned.Load(), m.moves.Load(), m.deletes.Load(),
		m.pulls.Load(), m.lists.Load(), m.unknown.Load()+m.refused.Load(), m.refused.Load(), m.unmade.Load(), len(m.book.last()),
		m.wrong.Load(), m.peak)
	if !m.worked() {
		m.t.Error("hardly anything happened: the load tests nothing")
	}
}
