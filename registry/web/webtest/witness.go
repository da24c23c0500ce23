package webtest

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/server/config"
)

// Witness sees what the requests of a package's tests change, and which lines of the audit
// log come of it: it is the transport of all clients that have none of their own.
type Witness struct {
	next   http.RoundTripper
	routes *http.ServeMux

	mu   sync.Mutex
	seen map[string]map[string]bool // by "METHOD path": the actions of the lines
}

// sites are the databases of the registries that tests run, by host.
var sites sync.Map

// watched opens the database of a site for the witness, until the test ends.
func watched(t testing.TB, host string, cfg config.Config) {
	t.Helper()
	dsn := cfg.Database
	if dsn == "" {
		dsn = filepath.Join(cfg.Root, "registry.db")
	}
	opened, err := metadata.Open(context.Background(), metadata.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	sites.Store(host, opened)
	t.Cleanup(func() {
		sites.Delete(host)
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Main runs the tests of a package and then holds every route that changes something to the
// line that lines has for it: a route without a row fails, and so does one of which no
// request of the tests wrote the line. What writes none has a row that begins with "-" and
// says why. It returns the exit code. Where only some tests run, they are all that is run.
func Main(m *testing.M, routes []string, lines map[string]string) int {
	w := &Witness{next: http.DefaultTransport, routes: http.NewServeMux(), seen: map[string]map[string]bool{}}
	for _, route := range routes {
		w.routes.HandleFunc(route, http.NotFound)
	}
	witness = w
	http.DefaultTransport = w
	flag.Parse()
	code := m.Run()
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if flag.Lookup(name).Value.String() != "" {
			return code
		}
	}
	if missing := w.missing(routes, lines); len(missing) > 0 {
		fmt.Fprintln(os.Stderr, "FAIL: lines of the audit log\n"+strings.Join(missing, "\n"))
		return max(code, 1)
	}
	return code
}

// witness is set while there is one.
var witness *Witness

func (w *Witness) missing(routes []string, lines map[string]string) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, route := range routes {
		want, ok := lines[route]
		seen := slices.Sorted(maps.Keys(w.seen[route]))
		switch {
		case strings.HasPrefix(route, "GET ") || strings.HasPrefix(route, "HEAD "):
		case !ok:
			all = append(all, fmt.Sprintf("%s has no row in the table; the tests saw %q", route, seen))
		case strings.HasPrefix(want, "-"):
		default:
			for action := range strings.FieldsSeq(want) {
				if !slices.Contains(seen, action) {
					all = append(all, fmt.Sprintf("%s: no request wrote %s; the tests saw %q", route, action, seen))
				}
			}
		}
	}
	for route := range lines {
		if !slices.Contains(routes, route) {
			all = append(all, route+" is in the table, and there is no such route")
		}
	}
	return all
}

// RoundTrip implements http.RoundTripper.
func (w *Witness) RoundTrip(r *http.Request) (*http.Response, error) {
	site, ok := sites.Load(r.URL.Host)
	_, route := w.routes.Handler(&http.Request{Method: r.Method, Host: r.URL.Host, URL: r.URL})
	if !ok || route == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return w.next.RoundTrip(r)
	}
	q := site.(*metadata.DB).Querier()
	before := newest(q)
	resp, err := w.next.RoundTrip(r)
	if err == nil {
		w.note(route, linesAfter(q, before))
	}
	return resp, err
}

func (w *Witness) note(route string, actions []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[route] == nil {
		w.seen[route] = map[string]bool{}
	}
	for _, action := range actions {
		w.seen[route][action] = true
	}
}

// newest is the number of the newest line; a database that fails has none, and what it
// wrote is missing in the end.
func newest(q db.Querier) (id int64) {
	_ = q.Row(context.Background(), "SELECT COALESCE(MAX(id), 0) FROM audit").Scan(&id)
	return id
}

func linesAfter(q db.Querier, id int64) []string {
	actions, _ := db.All(context.Background(), q, db.ScanString, "SELECT action FROM audit WHERE id > $1", id)
	return actions
}
