package server

import (
	"context"
	"database/sql"
	_ "embed"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
	"cove/internal/strictyaml"
	"cove/registry/db"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/session"
)

var planArtifacts = flag.Int("plan-artifacts", 20_000, "artifacts in the database whose plans are looked at")

//go:embed testdata/million.sql
var millionSQL string

// What a statement may do when a table is large: more rows in one step, or more pages of
// 8 KiB in all, are a way that grows with the table.
const (
	largeTable = 2000
	mostRows   = 5000
	mostPages  = 5000
)

// wholeTables are statements that read all of a large table, and why that is right.
var wholeTables = map[string]string{
	"SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM project_blobs o WHERE o.digest = b.digest " +
		"AND o.project_id <> b.project_id) THEN 0 ELSE size END), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN counted = 1 THEN size ELSE 0 END), 0) " +
		"AS BIGINT) FROM project_blobs b WHERE b.project_id = $1": "the page of one project's usage adds up what that project alone has",
	"SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(deleting), 0), COALESCE(SUM(damaged), 0) FROM blobs": "counted once a minute, and rarer where it takes long",
	"SELECT COUNT(*) FROM tags WHERE repository_id = $1":                                                        "the number of a repository's tags, of an index alone",
	"SELECT COUNT(*) FROM uploads":                                                                              "unfinished ones, of which an account has 10,000 at most",
	"SELECT COUNT(*), MIN(due_at) FROM gc_queue":                                                                "what waits for the collector, of an index alone",
	"SELECT severity, COUNT(*) FROM scan_known GROUP BY severity":                                               "vulnerabilities that were found, and no artifacts",
	"SELECT state, worst, COUNT(*) FROM scan_images GROUP BY state, worst":                                      "the page of all that scans found counts all of it, by an index alone",
}

// TestPlansAtSize has a server over PostgreSQL do all that it does, with many artifacts in
// the database, and looks at how each statement was answered: as it was asked, with its
// values, by triggers and in the background too. None may read a large table or index from
// one end to the other. With -plan-artifacts=1000000 they are a million.
func TestPlansAtSize(t *testing.T) {
	postgres := metadatatest.Postgres(t)
	dsn := postgres.New(t)
	postgres.Explains(t, dsn)
	now := strictyaml.Duration(time.Nanosecond) // what is deleted is collected
	r := newReporter(t, config.Config{Database: dsn, GC: config.GC{Lease: now, Grace: now}})
	begun := time.Now()
	large := fillMillion(t, dsn, *planArtifacts)
	t.Logf("%d artifacts in %v, %d large tables", *planArtifacts, time.Since(begun).Round(time.Millisecond), len(large))
	mark := postgres.Mark()
	asked := r.everything(t)
	time.Sleep(100 * time.Millisecond) // what the server still tells
	all := postgres.Since(t, mark)
	for _, a := range all {
		if wholeTables[strings.Join(strings.Fields(a.Statement), " ")] != "" {
			continue
		}
		for _, table := range a.Scans {
			if large[table] > 0 {
				t.Errorf("reads all of %s (%d rows): %s%s", table, large[table], a.Statement, a.Plan)
			}
		}
		if a.Most > mostRows || a.Pages > mostPages {
			t.Errorf("reads %d rows in one step, %d pages in all: %s%s", a.Most, a.Pages, a.Statement, a.Plan)
		}
	}
	t.Logf("%d requests, %d statements", asked, len(all))
	if len(all) < 150 {
		t.Errorf("only %d statements were looked at", len(all))
	}
}

// fillMillion writes n artifacts and all around them, and returns the tables that are large.
func fillMillion(t *testing.T, dsn string, n int) map[string]int64 {
	t.Helper()
	pool, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	for _, stmt := range millionStatements(millionSQL, n) {
		begun := time.Now()
		if _, err := pool.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
		if took := time.Since(begun); took > 300*time.Millisecond {
			t.Logf("%v: %.60s", took.Round(time.Millisecond), stmt)
		}
	}
	large := map[string]int64{}
	rows, err := pool.QueryContext(t.Context(), "SELECT relname, reltuples::bigint FROM pg_class WHERE relkind = 'r' AND reltuples >= $1", max(largeTable, n/200))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var count int64
		if err := rows.Scan(&name, &count); err != nil {
			t.Fatal(err)
		}
		large[name] = count
	}
	if len(large) < 20 || rows.Err() != nil {
		t.Fatal(large, rows.Err())
	}
	return large
}

// millionStatements are the statements of a script, for n artifacts.
func millionStatements(script string, n int) (all []string) {
	at := time.Now().Add(-time.Duration(n) * time.Second)
	values := strings.NewReplacer(":n", fmt.Sprint(n), ":p", fmt.Sprint(max(20, n/5000)), ":r", fmt.Sprint(max(100, n/500)),
		":at", fmt.Sprint(at.UnixMicro()), ":id", fmt.Sprint(db.IDAt(at)))
	text := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(script, "")
	for stmt := range strings.SplitSeq(text, ";\n") {
		if stmt = strings.TrimSpace(values.Replace(stmt)); stmt != "" {
			all = append(all, stmt)
		}
	}
	return all
}

// everything asks the server for all that it answers, and for its work in the background,
// often enough that the database thinks of plans for any values.
func (r *reporter) everything(t *testing.T) (asked int) {
	t.Helper()
	r.want("a user", r.ask("POST", "/api/v1/users", strings.NewReader(`{"name":"anne","password":"correct horse"}`),
		"Content-Type", "application/json"), 201)
	for round := range 8 {
		asked += r.protocol(t, round)
		asked += r.pagesAndAPI(t)
		if _, err := r.s.registry.Collect(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	return asked
}

// protocol is what clients ask: a push, pulls, lists, deletes.
func (r *reporter) protocol(t *testing.T, round int) (asked int) {
	t.Helper()
	do := func(method, path string, codes ...int) answer {
		t.Helper()
		asked++
		a := r.ask(method, path, nil)
		if !slices.Contains(codes, a.code) {
			t.Errorf("%s %s: %d %s", method, path, a.code, a.body)
		}
		return a
	}
	const repo = "p0/app0"
	layer := distributiontest.Bytes(uint64(round), 1000)
	image := r.image(repo, fmt.Sprint("new-", round), layer)
	other := r.image(repo, "moved", fmt.Appendf(nil, "other %d", round))
	index := r.index(repo, "all", image, other)
	sig := r.signature(repo, image, fmt.Appendf(nil, "signature %d", round))
	upload := r.open(repo)
	do("GET", upload, 204)
	do("DELETE", upload, 204)
	mount := "/v2/p1/app1/blobs/uploads/?mount=" + digest.FromBytes(layer).String()
	do("POST", mount+"&from="+repo, 201)
	do("POST", mount, 201)
	for _, path := range []string{
		"/manifests/moved", "/manifests/" + image.String(), "/blobs/" + digest.FromBytes(layer).String(), "/tags/list", "/tags/list?n=10",
		"/tags/list?n=50&last=v5", "/tags/list?n=50&last=v99", "/referrers/" + image.String(), "/referrers/" + image.String() + "?artifactType=application/x",
		"/referrers/" + index.String(),
	} {
		do("GET", "/v2/"+repo+path, 200)
		do("HEAD", "/v2/"+repo+path, 200)
	}
	for _, absent := range []string{"/manifests/absent", "/manifests/" + absentDigest, "/blobs/" + absentDigest} {
		do("GET", "/v2/p1/absent"+absent, 404)
		do("HEAD", "/v2/p1/app1"+absent, 404)
	}
	do("GET", "/v2/_catalog", 200)
	do("GET", "/v2/_catalog?n=20&last=p1/app1", 200)
	do("GET", "/token?scope=repository:p0/app0:pull,push&scope=repository:p1/app1:pull", 200)
	do("GET", "/metrics", 200)
	do("DELETE", "/v2/"+repo+"/manifests/"+sig.String(), 202)
	do("DELETE", "/v2/"+repo+"/manifests/"+index.String(), 202)
	do("DELETE", fmt.Sprint("/v2/", repo, "/manifests/new-", round), 202)
	do("DELETE", "/v2/"+repo+"/manifests/"+image.String(), 202)
	do("DELETE", "/v2/p1/app1/blobs/"+digest.FromBytes(layer).String(), 202)
	return asked
}

// pagesAndAPI gets every page and every list of the API, as the administrator and as
// somebody with rights in one project.
func (r *reporter) pagesAndAPI(t *testing.T) (asked int) {
	t.Helper()
	fill := strings.NewReplacer("{$}", "", "{project}", "p0", "{repository...}", "p0/app0", "{artifact...}", "p0/app0:moved", "{user}", "user1",
		"{robot}", "user10", "{group}", "group1", "{role}", "absent", "{token}", "token", "{file}", "absent.css", "{job}", "1", "{kind}", "webhook", "{rule}", "1",
		"{webhook}", "1", "{delivery}", "1")
	for _, rt := range append(policyOfAPI(), policyOfPages()...) {
		if rt.Method != "GET" || strings.HasPrefix(rt.Path, "/sign-in/oidc") {
			continue
		}
		for _, who := range []string{"admin", "anne"} {
			asked++
			path := fill.Replace(rt.Path)
			if strings.HasSuffix(path, ".csv") {
				path += "?repositories=p0/app0" // an export reads all that it is asked for
			}
			w := r.get(t, path, who, isAPI(rt))
			if w.Code >= 500 {
				t.Errorf("%s as %s: %d %.200s", rt.Path, who, w.Code, w.Body)
			}
		}
	}
	return asked
}

// get asks as a browser in which somebody is signed in, or as a program with his password.
func (r *reporter) get(t *testing.T, path, who string, api bool) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "http://registry.test"+path, nil)
	if api {
		req.SetBasicAuth(who, testPassword)
	} else {
		u, err := r.s.state.db.UserByName(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		token, err := session.New(session.Config{DB: r.s.state.db}).Begin(t.Context(), u, session.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		guard, err := session.NewGuard("")
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		guard.Use(req, token)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	w := httptest.NewRecorder()
	r.s.handler.ServeHTTP(leaving{w, leave}, req.WithContext(ctx))
	return w
}
