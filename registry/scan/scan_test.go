package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/scan"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
	"cove/registry/store"
)

// everyone may do everything: who may is for the judge.
type everyone struct{}

func (everyone) May(context.Context, distribution.Action, string) bool { return true }

// bench is a registry with the service over it.
type bench struct {
	*testing.T
	db    *metadata.DB
	store *store.Registry
	*scan.Scans
}

// TestScans runs each test below over a database of its own, in each engine.
func TestScans(t *testing.T) {
	t.Parallel()
	metadatatest.Each(
		t,
		func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
			for name, test := range map[string]func(bench){
				"images are scanned and held": testImages, "overview": testOverview,
				"pushed images are scanned where it helps": testPushed, "who may not is refused": testRefusals,
				"exports": testExport,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					db := open(t, time.Now)
					stored, err := store.New(
						t.Context(),
						store.Config{
							Store:  memstore.New(time.Now),
							DB:     db,
							Rights: everyone{},
						},
						true,
					)
					if err != nil {
						t.Fatal(err)
					}
					test(
						bench{
							t,
							db,
							stored,
							scan.New(
								scan.Config{DB: db, Registry: stored, Spool: t.TempDir()},
							),
						},
					)
				})
			}
		},
	)
}

// run does jobs until the test ends.
func (b bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		jobs.NewRunner(b.db, slog.New(slog.DiscardHandler), b.Kinds()...).Run(ctx)
	}()
	b.Cleanup(func() { cancel(); <-ended })
}

// until waits for the jobs that there are to end, and returns what the newest of a
// kind said.
func (b bench) until(kind string) jobs.Job {
	b.Helper()
	service := jobs.NewJobs(b.db, auth.Judge{})
	for range 400 {
		page, _, err := service.Page(b.Context(), auth.Operator(), jobs.Query{N: 100})
		if err != nil {
			b.Fatal(err)
		}
		open := false
		var newest jobs.Job
		for _, j := range page {
			open = open || j.EndedAt.IsZero()
			if j.Kind == kind && newest.ID == 0 {
				newest = j
			}
		}
		if !open && newest.ID != 0 {
			return newest
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.Fatal("the jobs do not end")
	return jobs.Job{}
}

func (b bench) blob(repo, mediaType string, text []byte) ocispec.Descriptor {
	b.Helper()
	desc := ocispec.Descriptor{
		MediaType: mediaType,
		Digest:    digest.FromBytes(text),
		Size:      int64(len(text)),
	}
	up, err := b.store.StartUpload(b.Context(), repo)
	if err == nil {
		_, err = up.Write(text)
	}
	if err == nil {
		_, err = up.Commit(b.Context(), desc.Digest)
	}
	if err = errors.Join(err, up.Close()); err != nil {
		b.Fatal(err)
	}
	return desc
}

func (b bench) put(repo, tag, mediaType string, doc any) ocispec.Descriptor {
	b.Helper()
	body, err := json.Marshal(doc)
	if err != nil {
		b.Fatal(err)
	}
	desc := ocispec.Descriptor{
		MediaType: mediaType,
		Digest:    digest.FromBytes(body),
		Size:      int64(len(body)),
	}
	if _, err := b.store.PutManifest(b.Context(), repo, distribution.Manifest{Descriptor: desc, Body: body}, tag); err != nil {
		b.Fatal(err)
	}
	return desc
}

// layer is a tar with these files.
func (b bench) layer(files map[string]string) []byte {
	b.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		err := w.WriteHeader(
			&tar.Header{
				Name:     name,
				Mode:     0o644,
				Size:     int64(len(text)),
				Typeflag: tar.TypeReg,
			},
		)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// push pushes an image of layers.
func (b bench) push(repo, tag string, layers ...[]byte) ocispec.Descriptor {
	b.Helper()
	m := ocispec.Manifest{
		Versioned: specs.Versioned{
			SchemaVersion: 2,
		}, MediaType: ocispec.MediaTypeImageManifest,
		Config: b.blob(
			repo,
			ocispec.MediaTypeImageConfig,
			[]byte(`{"created":"`+tag+`"}`),
		), Layers: []ocispec.Descriptor{},
	}
	for _, l := range layers {
		m.Layers = append(m.Layers, b.blob(repo, ocispec.MediaTypeImageLayer, l))
	}
	return b.put(repo, tag, ocispec.MediaTypeImageManifest, m)
}

func (b bench) load(name, text string) {
	b.Helper()
	if _, err := b.Import(b.Context(), auth.Operator(), vulndb.New{Name: name}, strings.NewReader(text), int64(len(text))); err != nil {
		b.Fatal(err)
	}
}

const (
	bookworm = "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian 12\"\n"
	openssl  = "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.11-1\nArchitecture: amd64\n"
	tracker  = `{"openssl":{"CVE-2023-5363":{"description":"a flaw in ciphers","releases":{"bookworm":{"status":"resolved","fixed_version":"3.0.11-1~deb12u2","urgency":"high"}}},` +
		`"CVE-2024-1":{"releases":{"bookworm":{"status":"resolved","fixed_version":"3.0.13-1","urgency":"high"}}}}}`
)

func testImages(b bench) {
	base := b.layer(
		map[string]string{"etc/os-release": bookworm, "var/lib/dpkg/status": openssl},
	)
	app := b.layer(
		map[string]string{
			"app/node_modules/x/package.json": `{"name":"x","version":"1.0.0"}`,
		},
	)
	old, broken := b.push(
		"team/app",
		"v1",
		base,
		app,
	), b.push(
		"team/app",
		"v2",
		[]byte("this is no layer, whatever it is called"),
	)
	index := b.put("team/app", "all", ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{
			SchemaVersion: 2,
		}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{old},
	})
	by, image := auth.Operator(), results.Image{
		Repository: "team/app",
		Digest:     old.Digest,
	}
	if _, err := b.Report(b.Context(), by, image); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("before a scan: %v", err)
	}
	b.run()
	b.load("debian", tracker)
	if j := b.until(scan.JobMissing); j.State != jobs.Done ||
		j.Note != "1 image scanned, 1 failed" {
		b.Errorf("%+v", j)
	}
	r, err := b.Report(b.Context(), by, image)
	if err != nil || r.State != results.Scanned || r.Packages != 2 ||
		r.Summary.High != 1 ||
		r.System != "Debian 12" ||
		r.Gated {
		b.Errorf("%+v, %v", r, err)
	}
	if all, err := b.Vulnerabilities(b.Context(), by, image); err != nil ||
		len(all) != 1 ||
		all[0].Vulnerability != "CVE-2024-1" ||
		all[0].Fixed != "3.0.13-1" {
		b.Errorf("%+v, %v", all, err)
	}
	if r, err := b.Report(b.Context(), by, results.Image{Repository: "team/app", Digest: broken.Digest}); err != nil ||
		r.State != results.Failed ||
		!strings.Contains(r.Note, "no tar") {
		b.Errorf("what is no layer: %+v, %v", r, err)
	}
	if found, err := b.Packages(b.Context(), by, image); err != nil ||
		len(found.Packages) != 2 ||
		found.Release.ID != "debian" {
		b.Errorf("%+v, %v", found, err)
	}
	if err := b.Gates.Set(b.Context(), by, "team", gate.Settings{From: advisory.High, Unscanned: gate.Block}); err != nil {
		b.Fatal(err)
	}
	if r, err := b.Report(b.Context(), by, image); err != nil || !r.Gated || !r.Held ||
		len(r.Verdict.Held) != 1 {
		b.Errorf("%+v, %v", r, err)
	}
	if _, err := b.Request(b.Context(), by, results.Image{Repository: "team/app", Digest: index.Digest}); err != nil {
		b.Fatal(err)
	}
	if j := b.until(scan.JobScan); j.Note != "2 packages, 1 vulnerability, 1 high" ||
		j.Subject != old.Digest.String() {
		b.Errorf("%+v", j)
	}
}

func testOverview(b bench) {
	by := auth.Operator()
	b.push(
		"team/app",
		"v1",
		b.layer(
			map[string]string{"etc/os-release": bookworm, "var/lib/dpkg/status": openssl},
		),
	)
	b.push("team/app", "v2")
	b.run()
	b.load("debian", tracker)
	b.until(scan.JobMissing)
	o, err := b.Overview(b.Context(), by)
	if err != nil || o.Scanned != 2 || o.ByWorst[advisory.High] != 1 ||
		o.ByWorst[advisory.None] != 1 ||
		len(o.Databases) != 1 {
		b.Errorf("%+v, %v", o, err)
	}
	page, more, err := b.Worst(b.Context(), by, results.Query{Project: "team", N: 1})
	if err != nil || len(page) != 1 || !more || page[0].Repository != "team/app" ||
		page[0].Tags[0] != "v1" {
		b.Errorf("%+v, %v, %v", page, more, err)
	}
	v, having, _, err := b.About(b.Context(), by, "CVE-2024-1", results.Query{N: 10})
	if err != nil || len(having) != 1 || v.ID != "CVE-2024-1" {
		b.Errorf("%+v, %+v, %v", v, having, err)
	}
	if _, _, _, err := b.About(b.Context(), by, "CVE-2000-1", results.Query{N: 10}); !errors.Is(
		err,
		errdefs.ErrNotFound,
	) {
		b.Errorf("one that nobody knows: %v", err)
	}
	if err := b.RemoveDatabase(b.Context(), by, "debian"); err != nil {
		b.Fatal(err)
	}
	b.until(scan.JobMatch)
	if o, err = b.Overview(b.Context(), by); err != nil ||
		o.Vulnerabilities.Total() != 0 ||
		len(o.Databases) != 0 {
		b.Errorf("%+v, %v", o, err)
	}
}

func testPushed(b bench) {
	by := auth.Operator()
	image := results.Image{
		Repository: "team/app",
		Digest:     b.push("team/app", "v1").Digest,
	}
	pushed := func(want bool, why string) {
		b.Helper()
		service := jobs.NewJobs(b.db, auth.Judge{})
		err := b.db.Update(
			b.Context(),
			func(ctx context.Context, tx *metadata.Tx) error { return scan.Pushed(ctx, tx, image, "ada") },
		)
		if err != nil {
			b.Fatal(err)
		}
		page, _, err := service.Page(
			b.Context(),
			by,
			jobs.Query{Kind: scan.JobScan, N: 10},
		)
		if err != nil || (len(page) > 0) != want {
			b.Errorf("%s: %+v, %v", why, page, err)
		}
	}
	pushed(false, "without a database, a gate or an SBOM")
	b.load("debian", tracker)
	if err := b.Gates.Set(b.Context(), by, "team", gate.Settings{}); err != nil {
		b.Fatal(err)
	}
	pushed(false, "the project does not want it")
	if err := b.Gates.Set(b.Context(), by, "team", gate.Standard); err != nil {
		b.Fatal(err)
	}
	pushed(true, "with a database")
}

func testRefusals(b bench) {
	image := results.Image{
		Repository: "team/app",
		Digest:     b.push("team/app", "v1").Digest,
	}
	nobody, ctx := auth.Caller{}, b.Context()
	_, report := b.Report(ctx, nobody, image)
	_, list := b.Vulnerabilities(ctx, nobody, image)
	_, found := b.Packages(ctx, nobody, image)
	_, request := b.Request(ctx, nobody, image)
	_, all := b.RequestAll(ctx, nobody)
	_, overview := b.Overview(ctx, nobody)
	_, _, worst := b.Worst(ctx, nobody, results.Query{N: 1})
	_, _, _, about := b.About(ctx, nobody, "CVE-1", results.Query{N: 1})
	_, databases := b.Databases(ctx, nobody)
	_, imported := b.Import(
		ctx,
		nobody,
		vulndb.New{Name: "x"},
		strings.NewReader(tracker),
		int64(len(tracker)),
	)
	for i, err := range []error{report, list, found, request, all, overview, worst, about, databases, imported, b.RemoveDatabase(ctx, nobody, "x")} {
		if !errors.Is(err, errdefs.ErrUnauthenticated) {
			b.Errorf("%d: %v", i, err)
		}
	}
	if _, err := b.Request(ctx, auth.Operator(), results.Image{Repository: "team/app", Digest: digest.FromString("x")}); !errors.Is(
		err,
		errdefs.ErrNotFound,
	) {
		b.Errorf("an image that is not there: %v", err)
	}
}

// testExport exports more images than one page has, some of them by tag, and what a
// program for sheets would calculate.
func testExport(b bench) {
	by := auth.Operator()
	flawed := b.layer(map[string]string{"etc/os-release": bookworm, "var/lib/dpkg/status": openssl})
	for i := range 103 {
		b.push("team/app", fmt.Sprintf("v%d", i), flawed)
	}
	b.push("team/clean", "v1", b.layer(map[string]string{"a": "b"}))
	b.push("other/sheet", "v1", b.layer(map[string]string{
		"app/node_modules/x/package.json": `{"name":"=cmd()","version":"1.0.0"}`,
	}))
	b.run()
	b.load("debian", tracker)
	b.load("osv", `{"id":"CVE-2024-2","summary":"+1","affected":[{"package":{"ecosystem":"npm","name":"=cmd()"},`+
		`"versions":["1.0.0"]}],"database_specific":{"severity":"LOW"}}`)
	b.until(scan.JobMatch)
	b.until(scan.JobMissing)
	for _, tc := range []struct {
		want  scan.Wanted
		lines int
	}{
		{scan.Wanted{}, 104},
		{scan.Wanted{Project: "team"}, 103},
		{scan.Wanted{Project: "other"}, 1},
		{scan.Wanted{Tags: "v1?"}, 10},
		{scan.Wanted{Repositories: "team/**"}, 103},
		{scan.Wanted{Repositories: "app"}, 0},
		{scan.Wanted{Least: advisory.Medium}, 103},
		{scan.Wanted{Vulnerability: "CVE-2024-2"}, 1},
	} {
		var out bytes.Buffer
		write, err := b.Export(b.Context(), by, tc.want)
		if err == nil {
			err = write(b.Context(), &out)
		}
		if err != nil {
			b.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != tc.lines+1 {
			b.Errorf("%+v: %d lines, want %d and what they are; %v", tc.want, len(rows), tc.lines, err)
			continue
		}
		if row := rows[len(rows)-1]; tc.want.Project == "other" && (row[6] != "'=cmd()" || row[11] != "'+1" || row[3] != "CVE-2024-2") {
			b.Errorf("a formula: %q", row)
		}
	}
	if _, err := b.Export(b.Context(), by, scan.Wanted{Tags: "["}); !errors.Is(err, errdefs.ErrInvalid) {
		b.Errorf("a glob that is none: %v", err)
	}
	if _, err := b.Export(b.Context(), by, scan.Wanted{Project: "absent"}); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("a project that is not there: %v", err)
	}
	if _, err := b.Export(b.Context(), auth.Caller{Name: "eve", UserID: 7}, scan.Wanted{Project: "team"}); !errors.Is(err, errdefs.ErrDenied) {
		b.Errorf("a stranger: %v", err)
	}
}
