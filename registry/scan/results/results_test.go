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
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
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
				testListsGoOn, testWhatIsNoDatabaseChangesNothing,
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
