package results_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/scannable"
	"cove/registry/scan/advisory"
	"cove/registry/scan/feed"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
)

// bench is a database with the book and the databases of vulnerabilities over it.
type bench struct {
	*testing.T
	db *metadata.DB
	*results.Book
	data *vulndb.DB
}

// TestResults runs each test below over a database of its own, in each engine.
func TestResults(t *testing.T) {
	t.Parallel()
	metadatatest.Each(
		t,
		func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
			for _, test := range []func(bench){
				testLayersAreKept, testDatabasesAreMatched, testANewDatabaseCountsAnew, testKeptWhileAllIsMatched,
				testListsGoOn, testTotalsAreExact, testTotalsAreMended, testWhatIsNoDatabaseChangesNothing,
			} {
				full := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
				t.Run(full[strings.LastIndex(full, ".")+1:], func(t *testing.T) {
					t.Parallel()
					db := open(t, time.Now)
					test(bench{t, db, results.Over(db), vulndb.Over(db)})
				})
			}
		},
	)
}

// exec changes the database past the book.
func (b bench) exec(statement string) {
	b.Helper()
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, statement)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// image pushes an image of a name, as far as the database knows.
func (b bench) image(repo, tag string) digest.Digest {
	b.Helper()
	dgst := digest.FromString(repo + tag)
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{Name: "ada"})
		if err == nil {
			err = tx.AddBytes(ctx, dgst, 7)
		}
		if err == nil {
			err = tx.AddManifest(
				ctx,
				id,
				metadata.Manifest{Descriptor: ocispec.Descriptor{
					Digest: dgst, Size: 7, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ocispec.MediaTypeImageConfig,
				}},
				"ada",
			)
		}
		if err == nil {
			err = tx.SetTag(ctx, id, tag, dgst, "ada")
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return dgst
}

func (b bench) load(name, text string) vulndb.Source {
	b.Helper()
	s, err := b.data.Import(
		b.Context(),
		vulndb.New{Name: name, Origin: name + ".json", By: "ada"},
		bytes.NewReader([]byte(text)),
		int64(len(text)),
		func(context.Context, *metadata.Tx, vulndb.Source) error { return nil },
	)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// osv is a document of OSV: a vulnerability of a package before a version.
func osv(id, ecosystem, name, fixed, severity string) string {
	event := ""
	if fixed != "" {
		event = fmt.Sprintf(`,{"fixed":%q}`, fixed)
	}
	return fmt.Sprintf(
		`{"id":%q,"summary":"about %s","affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}%s]}]}],"database_specific":{"severity":%q}}`,
		id,
		id,
		ecosystem,
		name,
		event,
		severity,
	) + "\n"
}

var bookworm = packages.Release{ID: "debian", Version: "12", Name: "Debian GNU/Linux 12"}

func deb(name, version, source string) packages.Found {
	return packages.Found{
		Package: packages.Package{
			Type:    packages.Debian,
			Name:    name,
			Version: version,
			Source:  source,
		},
		Path: "var/lib/dpkg/status",
	}
}

func npm(name, version string) packages.Found {
	return packages.Found{
		Package: packages.Package{Type: packages.NPM, Name: name, Version: version},
		Path:    "app/node_modules/" + name + "/package.json",
	}
}

func (b bench) keep(dgst digest.Digest, all ...packages.Found) results.Scan {
	b.Helper()
	s, err := b.Keep(b.Context(), dgst, packages.Image{Release: bookworm, Packages: all})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// lines are the vulnerabilities of an image, one a line.
func (b bench) lines(dgst digest.Digest) (lines []string) {
	b.Helper()
	all, err := b.Vulnerabilities(b.Context(), dgst)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range all {
		lines = append(
			lines,
			strings.TrimSpace(
				fmt.Sprintf(
					"%s %s %s %s %s %s",
					f.Vulnerability,
					f.Severity,
					f.Package,
					f.Version,
					f.Fixed,
					f.Status,
				),
			),
		)
	}
	return lines
}

func testLayersAreKept(b bench) {
	dgst := b.image("team/app", "v1")
	if _, read, err := b.Layer(b.Context(), dgst); read || err != nil {
		b.Errorf("a layer that nobody read: %v, %v", read, err)
	}
	want := packages.Layer{
		Files: []packages.File{
			{
				Path:     "x",
				Packages: []packages.Package{{Type: "npm", Name: "x", Version: "1"}},
				Owned:    []uint64{1 << 63},
			},
		},
		Removed: []string{"y"}, Plain: []uint64{7}, Partial: "it was cut",
	}
	for range 2 {
		if err := b.KeepLayer(b.Context(), dgst, want); err != nil {
			b.Fatal(err)
		}
	}
	got, read, err := b.Layer(b.Context(), dgst)
	if err != nil || !read || !reflect.DeepEqual(got, want) {
		b.Errorf("%+v, %v, %v", got, read, err)
	}
	if err := b.KeepLayer(b.Context(), digest.FromString("gone"), want); !errors.Is(
		err,
		errdefs.ErrNotFound,
	) {
		b.Errorf("a layer that is not there: %v", err)
	}
	if _, err := b.Keep(b.Context(), digest.FromString("gone"), packages.Image{}); !errors.Is(
		err,
		errdefs.ErrNotFound,
	) {
		b.Errorf("an image that is not there: %v", err)
	}
}

func testDatabasesAreMatched(b bench) {
	dgst := b.image("team/app", "v1")
	b.load(
		"osv",
		osv(
			"CVE-1",
			"Debian:12",
			"openssl",
			"3.0.12",
			"HIGH",
		)+osv(
			"CVE-2",
			"Debian:12",
			"openssl",
			"",
			"",
		)+
			osv(
				"CVE-3",
				"npm",
				"left-pad",
				"2.0.0",
				"CRITICAL",
			)+osv(
			"CVE-4",
			"Debian:11",
			"openssl",
			"9",
			"CRITICAL",
		)+osv(
			"CVE-5",
			"Debian:12",
			"openssl",
			"2.0",
			"LOW",
		),
	)
	b.load("other", osv("CVE-1", "Debian:12", "openssl", "3.0.11-9", "MEDIUM"))
	b.load(
		"debian",
		`{"openssl":{"CVE-2":{"description":"words","releases":{"bookworm":{"status":"open","urgency":"unimportant","nodsa_reason":"ignored"}}}}}`,
	)
	scan := b.keep(
		dgst,
		deb("libssl3", "3.0.11-1", "openssl"),
		npm("left-pad", "1.0.0"),
		npm("right-pad", "1.0.0"),
	)
	want := []string{
		"CVE-3 Critical left-pad 1.0.0 2.0.0",
		"CVE-1 High libssl3 3.0.11-1 3.0.11-9",
		"CVE-2 Negligible libssl3 3.0.11-1  will_not_fix",
	}
	if got := b.lines(dgst); !slices.Equal(got, want) {
		b.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if scan.Packages != 3 ||
		scan.String() != "3 packages, 3 vulnerabilities, 1 critical, 1 high, 1 negligible" ||
		scan.Summary.Fixable != 2 {
		b.Errorf("%s, %+v", scan, scan)
	}
	again, err := results.Of(b.Context(), b.db.Querier(), dgst)
	if err != nil || again.Summary != scan.Summary || again.System != bookworm.Name ||
		again.State != results.Scanned {
		b.Errorf("%+v, %v", again, err)
	}
	v, err := vulndb.Vulnerability(b.Context(), b.db.Querier(), "CVE-2")
	if err != nil || v.Description != "words" || v.Title != "about CVE-2" {
		b.Errorf("%+v, %v", v, err)
	}
	if err := b.Fail(b.Context(), dgst, "", "it was cut off"); err != nil {
		b.Fatal(err)
	}
	if again, err = results.Of(b.Context(), b.db.Querier(), dgst); err != nil ||
		again.State != results.Failed ||
		again.Note != "it was cut off" {
		b.Errorf("%+v, %v", again, err)
	}
}

func (b bench) rescan() results.Changes {
	b.Helper()
	c, err := b.Rescan(b.Context(), func(string) {})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// testKeptWhileAllIsMatched keeps images while everything is matched again and again:
// no rescan forgets the packages of an image that is just being kept.
func testKeptWhileAllIsMatched(b bench) {
	const images = 40
	var all []digest.Digest
	for n := range images {
		all = append(all, b.image("team/app", fmt.Sprintf("v%d", n)))
	}
	b.load("osv", osv("CVE-1", "npm", "left-pad", "", "HIGH"))
	ctx, stop := context.WithCancel(b.Context())
	rescans := make(chan error)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = b.Rescan(b.Context(), func(string) {})
		}
		rescans <- err
	}()
	for n, dgst := range all {
		b.keep(dgst, npm("left-pad", fmt.Sprintf("1.%d.0", n)))
	}
	stop()
	if err := <-rescans; err != nil {
		b.Error(err)
	}
	for n, dgst := range all {
		want := fmt.Sprintf("CVE-1 High left-pad 1.%d.0", n)
		if got := b.lines(dgst); !slices.Equal(got, []string{want}) {
			b.Errorf("image %d: %q, want %q", n, got, want)
		}
	}
}

func testANewDatabaseCountsAnew(b bench) {
	first, second := b.image("team/app", "v1"), b.image("team/app", "v2")
	b.keep(first, npm("left-pad", "1.0.0"), npm("a", "1.0.0"))
	b.keep(second, npm("left-pad", "2.0.0"))
	b.load("osv", osv("CVE-1", "npm", "left-pad", "1.5.0", "HIGH"))
	if c := b.rescan(); c.Packages != 3 || c.Artifacts != 2 || c.Changed != 1 {
		b.Errorf("%+v", c)
	}
	if got := b.lines(first); !slices.Equal(
		got,
		[]string{"CVE-1 High left-pad 1.0.0 1.5.0"},
	) {
		b.Errorf("%v", got)
	}
	b.load("osv", osv("CVE-2", "npm", "left-pad", "3.0.0", "CRITICAL"))
	if c := b.rescan(); c.Changed != 2 {
		b.Errorf("%+v", c)
	}
	if got, also := b.lines(first), b.lines(second); len(got) != 1 || len(also) != 1 ||
		got[0] != "CVE-2 Critical left-pad 1.0.0 3.0.0" {
		b.Errorf("%v, %v", got, also)
	}
	if c := b.rescan(); c.Changed != 0 {
		b.Errorf("the same again: %+v", c)
	}
	b.keep(first, npm("b", "1.0.0")) // as a better reader finds
	if c := b.rescan(); c.Forgotten != 2 || c.Packages != 4 {
		b.Errorf("%+v", c)
	}
	sources, err := vulndb.Sources(b.Context(), b.db.Querier())
	if err != nil || len(sources) != 1 || sources[0].Form != feed.OSV ||
		sources[0].Advisories != 1 {
		b.Errorf("%+v, %v", sources, err)
	}
	for range 2 {
		err = b.data.Remove(
			b.Context(),
			"osv",
			func(context.Context, *metadata.Tx) error { return nil },
		)
		if c := b.rescan(); c.Artifacts != 2 || len(b.lines(second)) != 0 {
			b.Errorf("without a database: %+v, %v", c, b.lines(second))
		}
	}
	if !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("removed twice: %v", err)
	}
}

func testListsGoOn(b bench) {
	b.load(
		"osv",
		osv(
			"CVE-1",
			"npm",
			"bad",
			"",
			"CRITICAL",
		)+osv(
			"CVE-2",
			"npm",
			"poor",
			"",
			"HIGH",
		),
	)
	for i := range 7 {
		dgst := b.image(fmt.Sprintf("p%d/app", i%2), fmt.Sprint("v", i))
		all := []packages.Found{npm("good", fmt.Sprintf("1.0.%d", i))}
		if i%3 == 0 {
			all = append(all, npm("bad", "1.0.0"))
		}
		if i%2 == 0 {
			all = append(all, npm("poor", "1.0.0"))
		}
		b.keep(dgst, all...)
	}
	waits := b.image("p0/app", "not-yet")
	total, err := b.Total(b.Context())
	if err != nil || total.Images != 8 || total.Scanned != 7 || total.Waiting() != 1 ||
		total.Vulnerabilities.Total() != 2 ||
		total.ByWorst[advisory.Critical] != 3 ||
		total.ByWorst[advisory.High] != 2 ||
		total.ByWorst[advisory.None] != 2 {
		b.Errorf("%+v, %v", total, err)
	}
	waiting, err := b.Waiting(b.Context(), "", 10)
	if err != nil || len(waiting) != 1 || waiting[0].Digest != waits ||
		waiting[0].Repository != "p0/app" {
		b.Errorf("%+v, %v", waiting, err)
	}
	// What a registry read before it was upgraded to one that reads more is due again.
	b.exec("UPDATE scan_artifacts SET reader = 1 WHERE scanner = '' AND critical > 0")
	if waiting, err = b.Waiting(b.Context(), "", 10); err != nil || len(waiting) != 4 {
		b.Errorf("of a lesser reader: %+v, %v", waiting, err)
	}
	b.exec("UPDATE scan_artifacts SET reader = 99 WHERE critical > 0")
	for project, want := range map[string]string{"": "v6v0v3v4v2", "p1": "v3"} {
		got := ""
		q := results.Query{Project: project, N: 2}
		seen := 0
		for more := true; more; {
			var page []results.Entry
			if page, more, err = b.Worst(b.Context(), q); err != nil {
				b.Fatal(err)
			}
			for _, e := range page {
				seen++
				if e.Summary.Total() > 0 {
					got += strings.Join(e.Tags, "")
				}
				q.After = e.Cursor()
			}
		}
		if n := map[string]int{"": 7, "p1": 3}[project]; len(got) != len(want) ||
			seen != n ||
			project == "p1" && got != want {
			b.Errorf("%q: %s of %d", project, got, seen)
		}
	}
	if _, _, err := b.Worst(b.Context(), results.Query{After: "here", N: 1}); !errors.Is(
		err,
		errdefs.ErrInvalid,
	) {
		b.Errorf("another place: %v", err)
	}
	page, more, err := b.Having(b.Context(), "CVE-1", results.Query{N: 2})
	if err != nil || len(page) != 2 || !more {
		b.Errorf("%+v, %v, %v", page, more, err)
	}
	page, more, err = b.Having(
		b.Context(),
		"CVE-1",
		results.Query{N: 2, After: page[1].Digest.String()},
	)
	if err != nil || len(page) != 1 || more {
		b.Errorf("%+v, %v, %v", page, more, err)
	}
}

// check wants the totals to be what the tables say that they are made of.
func (b bench) check(when string) results.Totals {
	b.Helper()
	t, err := b.Total(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var images, known, failed int
	err = b.db.Querier().Row(b.Context(), `SELECT
		(SELECT COUNT(*) FROM (SELECT DISTINCT digest FROM manifests WHERE artifact_type = $1) AS x),
		(SELECT COUNT(*) FROM (SELECT DISTINCT vulnerability FROM scan_findings) AS y),
		(SELECT COUNT(*) FROM scan_artifacts a WHERE a.state = 'failed'
			AND EXISTS (SELECT 1 FROM manifests m WHERE m.digest = a.digest))`,
		ocispec.MediaTypeImageConfig).Scan(&images, &known, &failed)
	if err != nil || t.Images != images || t.Vulnerabilities.Total() != known || t.Failed != failed {
		b.Errorf("%s: %+v, while there are %d images, %d failed, %d vulnerabilities: %v", when, t, images, failed, known, err)
	}
	wrong, err := scannable.Wrong(b.Context(), b.db.Querier(), 10)
	if err != nil || len(wrong) > 0 {
		b.Errorf("%s: wrong: %v, %v", when, wrong, err)
	}
	return t
}

// remove takes an image out of a repository.
func (b bench) remove(repo string, dgst digest.Digest) {
	b.Helper()
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
		if err != nil {
			return err
		}
		return tx.RemoveManifest(ctx, id, dgst, "ada", time.Hour)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// testTotalsAreExact changes what totals are made of in every way that there is, also at
// once, and wants them to follow.
func testTotalsAreExact(b bench) {
	b.load("osv", osv("CVE-1", "npm", "bad", "", "CRITICAL")+osv("CVE-2", "npm", "poor", "", "LOW"))
	one := b.image("team/app", "v1")
	b.check("pushed")
	if err := b.Fail(b.Context(), one, "", "it is torn"); err != nil {
		b.Fatal(err)
	}
	if t := b.check("failed"); t.Failed != 1 || t.Waiting() != 0 {
		b.Errorf("%+v", t)
	}
	b.keep(one, npm("bad", "1.0.0"), npm("poor", "1.0.0"))
	if t := b.check("scanned"); t.Scanned != 1 || t.ByWorst[advisory.Critical] != 1 || t.Vulnerabilities.Low != 1 {
		b.Errorf("%+v", t)
	}
	again := func(repo string) {
		if err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
			if err == nil {
				err = tx.AddBytes(ctx, one, 7)
			}
			if err != nil {
				return err
			}
			return tx.AddManifest(ctx, id, metadata.Manifest{Descriptor: ocispec.Descriptor{
				Digest: one, Size: 7, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ocispec.MediaTypeImageConfig,
			}}, "ada")
		}); err != nil {
			b.Error(err)
		}
	}
	again("other/app")
	if t := b.check("in two repositories"); t.Images != 1 {
		b.Errorf("%+v", t)
	}
	b.remove("team/app", one)
	if t := b.check("in one"); t.Images != 1 || t.Scanned != 1 {
		b.Errorf("%+v", t)
	}
	b.remove("other/app", one)
	if t := b.check("in none"); t.Images != 0 || t.Scanned != 0 || t.ByWorst[advisory.Critical] != 0 {
		b.Errorf("%+v", t)
	}
	again("team/app")
	if t := b.check("pushed again"); t.ByWorst[advisory.Critical] != 1 {
		b.Errorf("%+v", t)
	}
	if err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{})
		if err == nil {
			_, err = tx.EnsureRepository(ctx, "second/app", metadata.Creator{})
		}
		if err != nil {
			return err
		}
		from, err := tx.Project(ctx, "team")
		if err != nil {
			return err
		}
		to, err := tx.Project(ctx, "second")
		if err != nil {
			return err
		}
		if _, err := tx.Tx.Exec(ctx, "UPDATE repositories SET project_id = $2 WHERE id = $1", id, to.ID); err != nil {
			return err
		}
		return tx.MoveUsage(ctx, id, from.ID, to.ID)
	}); err != nil {
		b.Fatal(err)
	}
	b.check("moved to another project")
	b.load("osv", osv("CVE-2", "npm", "poor", "", "HIGH")+osv("CVE-3", "npm", "poor", "", "LOW"))
	if _, err := b.Rescan(b.Context(), func(string) {}); err != nil {
		b.Fatal(err)
	}
	if t := b.check("another database"); t.ByWorst[advisory.High] != 1 || t.Vulnerabilities.High != 1 || t.Vulnerabilities.Low != 1 {
		b.Errorf("%+v", t)
	}
	if _, err := b.KeepTold(b.Context(), one, "theirs", []results.Told{
		{Package: "x", Version: "1", Finding: vulndb.Finding{Vulnerability: "CVE-9", Severity: advisory.Medium}},
	}); err != nil {
		b.Fatal(err)
	}
	b.check("told by another scanner")
	if found, _, err := b.Having(b.Context(), "CVE-9", results.Query{N: 9}); err != nil || len(found) != 1 || found[0].Digest != one {
		b.Errorf("the images that have what another scanner found: %+v %v", found, err)
	}
	// Of one package as many as a report has room for, and each text as long as adapters leave it.
	long := strings.Repeat("ä", 250)
	many := make([]results.Told, 0, 10_000)
	for i := range cap(many) {
		many = append(many, results.Told{Package: long, Version: long, Title: long, Finding: vulndb.Finding{
			Vulnerability: fmt.Sprintf("CVE-%d-%.190s", i%5_000, long), Severity: advisory.Low, Fixed: long,
		}})
	}
	if s, err := b.KeepTold(b.Context(), one, "theirs", many); err != nil || s.Summary.Of(advisory.Low) != 5_000 {
		b.Fatalf("%+v %v", s, err)
	}
	b.keep(one)
	if _, err := b.Rescan(b.Context(), func(string) {}); err != nil {
		b.Fatal(err)
	}
	if t := b.check("nothing has them any more"); t.ByWorst[advisory.None] != 1 {
		b.Errorf("%+v", t)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				repo := fmt.Sprint("at/once", i)
				again(repo)
				if i%4 == 0 {
					_ = b.Fail(b.Context(), one, "", "no reason")
				}
				b.remove(repo, one)
			}
		})
	}
	all.Wait()
	b.check("at once")
}

// TestListsUseIndexes explains the statements of pages on SQLite: none reads a table
// through or sorts one, but those that count, of an index without anything else in it.
func TestListsUseIndexes(t *testing.T) {
	t.Parallel()
	m := metadatatest.OpenSQLite(t, time.Now)
	book := results.Over(m)
	_, _ = book.Total(t.Context())
	for _, project := range []string{"", "p"} {
		for _, after := range []string{"", "1 2 3 sha256:x p/r"} {
			_, _, _ = book.Worst(t.Context(), results.Query{Project: project, After: after, N: 1})
		}
	}
	statements := m.Querier().(interface{ Statements() []string }).Statements()
	counted, listed := 0, 0
	for _, stmt := range statements {
		if !strings.HasPrefix(stmt, "SELECT") {
			continue
		}
		for _, step := range explain(t, m, stmt) {
			switch {
			case strings.HasPrefix(step, "SCAN scan_images USING COVERING INDEX scan_images_state"),
				strings.HasPrefix(step, "SCAN scan_known USING COVERING INDEX scan_known_severity"):
				counted++
			case strings.HasPrefix(step, "SEARCH s USING INDEX scan_artifacts_order ((critical,high,medium,digest)<"),
				strings.HasPrefix(step, "SEARCH l USING INDEX scan_listed_order (project_id=? AND (critical,high,medium,digest)<"):
				listed++
			case step == "SCAN a", step == "SCAN chosen": // the few that were chosen
			case strings.HasPrefix(step, "SCAN "), strings.Contains(step, "TEMP B-TREE") && !strings.Contains(step, "LAST"):
				t.Errorf("%s\n  %s", stmt, step)
			}
		}
	}
	if counted != 2 || listed != 2 {
		t.Errorf("%d statements count, %d list, of %q", counted, listed, statements)
	}
}

func explain(t *testing.T, m *metadata.DB, stmt string) []string {
	t.Helper()
	args := make([]any, 0, 10)
	for strings.Contains(stmt, fmt.Sprint("$", len(args)+1)) {
		args = append(args, 0) // the planner looks at none
	}
	steps, err := db.All(t.Context(), m.Querier(), func(s db.Scanner) (detail string, err error) {
		var id, parent, unused int
		return detail, s.Scan(&id, &parent, &unused, &detail)
	}, "EXPLAIN QUERY PLAN "+stmt, args...)
	if err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
	return steps
}

// testTotalsAreMended after a release that knew of none wrote beside this one.
func testTotalsAreMended(b bench) {
	b.load("osv", osv("CVE-1", "npm", "bad", "", "CRITICAL"))
	one, two := b.image("team/app", "v1"), b.image("team/app", "v2")
	b.keep(one, npm("bad", "1.0.0"))
	for _, stmt := range []string{
		"DELETE FROM scan_images WHERE digest = '" + two.String() + "'",
		"UPDATE scan_images SET worst = 0 WHERE digest = '" + one.String() + "'",
		"INSERT INTO scan_images (digest, state, worst) VALUES ('sha256:gone', '', 0)",
		"UPDATE scan_listed SET critical = 7, project_id = 0", "UPDATE scan_known SET severity = 1", "INSERT INTO scan_known (vulnerability, severity) VALUES ('CVE-7', 1)",
	} {
		if err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			_, err := tx.Tx.Exec(ctx, stmt)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	if err := b.Mend(b.Context()); err != nil {
		b.Fatal(err)
	}
	if t := b.check("mended"); t.Images != 2 || t.ByWorst[advisory.Critical] != 1 || t.Vulnerabilities.Critical != 1 {
		b.Errorf("%+v", t)
	}
	page, _, err := b.Worst(b.Context(), results.Query{Project: "team", N: 5})
	if err != nil || len(page) != 1 || page[0].Digest != one {
		b.Errorf("%+v, %v", page, err)
	}
}

func testWhatIsNoDatabaseChangesNothing(b bench) {
	b.load("osv", osv("CVE-1", "npm", "bad", "", "CRITICAL"))
	for name, text := range map[string]string{
		"cut": osv("CVE-2", "npm", "x", "", "LOW") + `{"id":`, "of others": osv("CVE-2", "Packagist", "x", "", "LOW"), "text": "hello",
	} {
		_, err := b.data.Import(
			b.Context(),
			vulndb.New{Name: "osv"},
			strings.NewReader(text),
			int64(len(text)),
			func(context.Context, *metadata.Tx, vulndb.Source) error { return nil },
		)
		if !errors.Is(err, errdefs.ErrInvalid) {
			b.Errorf("%s: %v", name, err)
		}
	}
	if err := vulndb.CheckName("A b"); !errors.Is(err, errdefs.ErrInvalid) {
		b.Errorf("a name: %v", err)
	}
	sources, err := vulndb.Sources(b.Context(), b.db.Querier())
	if err != nil || len(sources) != 1 || sources[0].Advisories != 1 {
		b.Errorf("%+v, %v", sources, err)
	}
}
